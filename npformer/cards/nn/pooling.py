"""The card of pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_rng, draw_sizes
from npformer.nn.pooling import POOLINGS, Pooling
from npformer.ops.l2_norm import l2_norm_backward
from npformer.ops.mean_pool import mean_pool_backward, mean_pool_forward
from npformer.ops.softcap import softcap_backward, softcap_forward

card = ModuleCard.of(Pooling)
card.inputs, card.output = {"x": "BTD"}, "BD"
card.causal = lambda static: None  # a vector has no place
card.words = {"dx": "the gradient of the tokens"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every kind, at length 1 or not; padding on either side."""
    sizes = draw_sizes(source, "BTD", {"T": 1, "D": 2})
    kind, normalize = source.choice(POOLINGS), source.choice((True, False))
    b, t = sizes["B"], sizes["T"]
    mask = None
    if source.choice((False, True)):
        mask = np.arange(t) < draw_rng(source).integers(1, t + 1, (b, 1))
        mask = mask[:, ::-1].copy() if source.choice((False, True)) else mask
    return sizes, {"build": (sizes["D"], kind, normalize), "mask": mask}


@card.invariant("a vector that is normalised has length 1", "length-of-the-mean-of-squares")
def _length(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["build"][2]:
        y = result["y"].astype(np.float64)
        lengths = np.square(y).sum(axis=-1)
        # A vector of zeros has no direction, and is left alone.
        yield Finding(lengths, (lengths > 0).astype(float), 8.0)


@card.invariant("what is in padding changes nothing", broken_by="first-place-for-first-token")
def _padding(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    mask, x = case.static["mask"], case.inputs["x"]
    if mask is None:
        return
    other = np.where(mask[..., None], x, 1 - x)
    yield Finding(component.forward(case.with_inputs({"x": other})), result["y"], scales["y"])
    yield Finding(result["dx"][~mask], 0.0, 0.0)


@card.wrong_method("tanh-skipped", "tanh is not walked back", Pooling.backward)
def _no_tanh(self, dy, cache):
    if cache.tanh is None:
        return self.backward(dy, cache)
    ones = cache.tanh._replace(slope=np.ones_like(cache.tanh.slope))
    return self.backward(dy, cache._replace(tanh=ones))


@card.wrong_method("length-skipped", "the division by the length is not walked back",
                   Pooling.backward)  # fmt: skip
def _no_length(self, dy, cache):
    return self.backward(dy, cache._replace(norm=None))


@card.wrong_method("norm-before-tanh", "tanh is walked back before the norm that came after it",
                   Pooling.backward)  # fmt: skip
def _order(self, dy, cache):
    if cache.norm is None or cache.tanh is None:
        return self.backward(dy, cache)
    dy = l2_norm_backward(softcap_backward(dy, cache.tanh), cache.norm)
    return mean_pool_backward(self.dense.backward(dy, cache.dense), cache.mean)


@card.wrong_method("dense-frozen", "the dense layer's parameters get no gradient",
                   Pooling.backward)  # fmt: skip
def _frozen(self, dy, cache):
    if self.dense is None:
        return self.backward(dy, cache)
    kept = [(p, p.trainable) for p in self.dense.parameters()]
    for parameter, _ in kept:
        parameter.trainable = False
    try:
        return self.backward(dy, cache)
    finally:
        for parameter, trainable in kept:
            parameter.trainable = trainable


@card.wrong_method("mean-for-first", "the mean over the tokens is taken for the first one",
                   Pooling.forward)  # fmt: skip
def _mean(self, x, mask=None):
    y, cache = self.forward(x, mask)
    if self.kind != "cls" or self.normalize:
        return y, cache
    return mean_pool_forward(x, mask)[0], cache


@card.wrong_method("first-place-for-first-token", "the first place is taken, padding or not",
                   Pooling.forward)  # fmt: skip
def _first_place(self, x, mask=None):
    if self.kind == "mean" or mask is None:
        return self.forward(x, mask)
    shown = np.zeros_like(mask)
    shown[:, 0] = True
    return self.forward(x, shown)


@card.wrong_method("tanh-of-a-wider-cap", "the pooler is held within 2, not within 1",
                   softcap_forward)  # fmt: skip
def _wider(x, *, cap):
    return softcap_forward(x, cap=2 * cap)


@card.wrong_method("length-of-the-mean-of-squares", "the vector is given the length sqrt(D)",
                   Pooling.forward)  # fmt: skip
def _longer(self, x, mask=None):
    y, cache = self.forward(x, mask)
    return (y * np.sqrt(y.shape[-1]) if self.normalize else y), cache
