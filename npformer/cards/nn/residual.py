"""The card of the residual connection."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_seed, draw_settings
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.steps import close
from npformer.cards.strategies import Source
from npformer.nn.residual import Residual

card = ModuleCard.of(Residual)
card.inputs, card.output = {"x": "BTD", "h": "BTD"}, "BTD"
card.words = {
    "y": "the sum of skip and branch",
    "dsublayer": "what the sub-layer's backward returns besides",
}
card.passes = {
    ("forward", "x", "norm"): "the sum of skip and branch",
    ("backward", "dy", ""): "the branch's gradient",
}


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Around the sub-layer e -> e + h, whose backward gives two gradients."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    sizes = {"B": b, "T": t, "D": c["d_model"]}
    return sizes, {"build": (c["d_model"], c["dropout"], c["norm"]), "rng": draw_seed(source)}


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    x, h = inputs
    y, cache = module.forward(x, lambda e: (e + h, None), **keywords)
    return y, lambda dy: module.backward(dy, cache, lambda de, _: (de, de))


def _call_twin(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    x, h = inputs
    return module(x, lambda e: e + h, **keywords)


card.call, card.call_twin = _call, _call_twin


@card.steps
def step(visit: Any, result: str) -> str:
    """Which path brings a wrong gradient: dx = dsum + dh."""
    if result != "dx":
        return ""
    norm, sublayer = None, None
    own = f"{visit.site.path}."
    for child in visit.children:
        if not child.site.path.startswith(own):
            sublayer = child.back
        elif child.site.path == f"{own}norm":
            norm = child.back
    if visit.back is not None and norm is not None and sublayer is not None:
        pre = norm.begin > sublayer.begin
        dh = (norm if pre else sublayer).gradients[0]
        dsum = visit.back.dy if pre else norm.gradients[0]
        dx = visit.back.gradients[0]
        if dx is not None and dsum is not None and dh is not None:
            rest = dx - dsum
            factor = (rest * dh).sum() / max((dh * dh).sum(), 1e-300)
            return "the branch" if close(rest, factor * dh) else "the skip path"
    return "the sum of the skip's and the branch's gradients"


def _backward(skip):
    """The backward with another gradient on the skip path."""

    def backward(self, dy, cache, sublayer_backward):
        dsum = dy if self.pre_norm else self.norm.backward(dy, cache.norm)
        dh = self.dropout.backward(dsum, cache.dropout)
        dh = sublayer_backward(dh, cache.sublayer)
        dh, *others = dh if isinstance(dh, tuple) else (dh,)
        if self.pre_norm:
            dh = self.norm.backward(dh, cache.norm)
        dx = skip(dy, dsum, dh) + dh
        return (dx, *others) if others else dx

    return backward


for _name, _text, _skip, _seen in (
    ("skip-dropped", "the skip path's gradient is dropped",
     lambda dy, dsum, dh: np.zeros_like(dsum),
     {"seen": "paiml/entrenar#313", "smallest": "x (1, 1, 2), h (1, 1, 2)", "missed_by": OUTPUT}),
    ("skip-doubled", "the skip path counts twice", lambda dy, dsum, dh: 2 * dsum,
     {"seen": "sebgao/cTensor#5", "smallest": "x (1, 1, 2), h (1, 1, 2)", "missed_by": OUTPUT}),
    ("norm-bypassed", "the skip path bypasses the norm", lambda dy, dsum, dh: dy, {}),
):  # fmt: skip
    card.wrong_method(_name, _text, Residual.backward, **_seen)(_backward(_skip))


@card.wrong_method("dropout-on-skip", "dropout's mask is on both paths", Residual.backward)
def _both(self, dy, cache, sublayer_backward):
    def skip(dy, dsum, dh):
        return self.dropout.backward(dsum, cache.dropout)

    return _backward(skip)(self, dy, cache, sublayer_backward)


@card.wrong_method(
    "skip-through-the-norm",
    "before a norm, the skip path's gradient is added to the branch's too early: it goes through "
    "the norm as well",
    Residual.backward,
    seen="Dao-AILab/quack#53",
    smallest="x (1, 1, 2), h (1, 1, 2)",
    missed_by=only("norms after the sum", lambda case: case.static["build"][2] == "post"),
)
def _through_the_norm(self, dy, cache, sublayer_backward):
    if not self.pre_norm:
        return self.backward(dy, cache, sublayer_backward)
    dh = sublayer_backward(self.dropout.backward(dy, cache.dropout), cache.sublayer)
    dh, *others = dh if isinstance(dh, tuple) else (dh,)
    dx = self.norm.backward(dh + dy, cache.norm)
    return (dx, *others) if others else dx
