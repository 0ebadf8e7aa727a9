"""The card of the stack of layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.attention_draws import BIASES
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_invariants import product
from npformer.cards.nn.layer import MEMORY, draw_layers
from npformer.cards.strategies import Source
from npformer.nn.residual import PLACEMENTS
from npformer.nn.stack import Stack, StackCache

card = ModuleCard.of(Stack)
card.inputs, card.output = {"x": "BTD", "memory": "BSD"}, "BTD"
card.causal = lambda static: static["settings"]["causal"]
card.words = {"dmemory": "the sum of the memory's gradient over the layers"}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """One layer to three, of every placement of the norms; now and then with a bias for all."""
    sizes, static = draw_layers(source, 1, 2, 3)
    settings = static["settings"]
    settings["norm"] = source.choice(PLACEMENTS)
    own = settings.get("attention", {}).get("positions") or {}
    if own.get("name") not in BIASES and source.choice((False, True)):
        kind = source.choice(BIASES)
        few = {"buckets": 4, "max_distance": 5, "bidirectional": not settings["causal"]}
        few = few if kind == "t5" else {}
        settings["positions"] = {"name": kind, "max_length": 64, "heads": sizes["N"], **few}
    return sizes, static


@card.invariant("<dmemory, memory> is the sum of all layers' keys' and values' products",
                broken_by="memory-averaged")  # fmt: skip
def _memory(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if "memory" not in case.inputs:
        return
    readers = [f"layers.{i}.{name}" for i in range(case.static["build"][0]) for name in MEMORY]
    left, size = product(case, result, scales, ("memory",))
    right, other = product(case, result, scales, readers)
    yield Finding(left, right, size + other)


@card.invariant("behind a last layer norm, the gradient of every row sums to 0",
                broken_by="last-norm-skipped")  # fmt: skip
def _last(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """So that of the last bias before it does, where nothing is dropped between them."""
    settings, last = case.static["settings"], f"layers.{case.static['build'][0] - 1}.feed_forward"
    if settings["norm_type"] != "layer_norm" or (
        case.static["rng"] is not None and settings["dropout"]
    ):
        return
    for name in LAST.get(settings["norm"], ()):
        key = f"grad {last}{name}.bias"
        if key in result:
            yield Finding(result[key].astype(np.float64).sum(), 0.0, scales[key].sum())


LAST = {
    "pre": (".linear2", ".down_proj"),
    "sandwich": ("_residual.norm_after",),
    "branch": ("_residual.norm",),
}
"""By placement of the norms, what a layer adds last to its input has the bias of."""


@card.wrong_method("mask-in-first-layer-only", "later layers attend to padding", Stack.forward)
def _first_mask(self, x, memory=None, mask=None, memory_mask=None, rng=None, states=None):
    layers = []
    for layer in self.layers:
        x, cache = layer.forward(x, memory, mask, memory_mask, rng)
        layers.append(cache)
        mask = memory_mask = None
    norm_cache = None
    if self.norm is not None:
        x, norm_cache = self.norm.forward(x)
    return x, StackCache(layers, norm_cache)


@card.wrong_method(
    "shared-bias-of-first-layer",
    "the bias that the layers share has the gradient of the first layer alone",
    Stack.backward,
)
def _first_bias(self, dy, cache):
    if self.positions is None or not self.positions.parameters():
        return self.backward(dy, cache)
    weight = self.positions.parameters()[0]
    dx = self.norm.backward(dy, cache.norm) if self.norm is not None else dy
    shares = []
    for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
        weight.grad = None
        dx = layer.backward(dx, layer_cache)
        if isinstance(dx, tuple):
            dx, share = dx
            shares.append(share)
    return (dx, sum(shares)) if shares else dx


def _walked_back(layers, norm=True):
    """A stack whose memory gradient comes from some of its layers, or whose norm is left out."""

    def backward(self, dy, cache):
        dx = self.norm.backward(dy, cache.norm) if self.norm is not None and norm else dy
        shares = []
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx = layer.backward(dx, layer_cache)
            if isinstance(dx, tuple):
                dx, share = dx
                shares.append(share)
        return (dx, layers(shares)) if shares else dx

    return backward


for _name, _text, _function in (
    ("last-norm-skipped", "the last norm is not walked back", _walked_back(sum, norm=False)),
    ("memory-of-last-layer", "dmemory comes from the last layer alone",
     _walked_back(lambda shares: shares[0])),
    ("memory-of-first-layer", "dmemory comes from the first layer alone",
     _walked_back(lambda shares: shares[-1])),
    ("memory-averaged", "dmemory is the mean over the layers",
     _walked_back(lambda shares: sum(shares) / len(shares))),
):  # fmt: skip
    card.wrong_method(_name, _text, Stack.backward)(_function)
