"""The card of the residual connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.around_a_branch import call, call_twin
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.module_draws import draw_lengths, draw_seed, draw_settings
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.steps import close
from npformer.cards.strategies import Source
from npformer.nn.norms import NORMS
from npformer.nn.residual import PLACEMENTS, Residual, ResidualCache

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
    """Every placement of every norm, around e -> e + h, whose backward gives two gradients."""
    c = draw_settings(source)
    b, t, _ = draw_lengths(source)
    placement, norm_type = source.choice(PLACEMENTS), source.choice(tuple(NORMS))
    # A layer norm of two numbers is 1 and -1, and its gradient 0 but for eps. Of two such norms,
    # one after the other, rounding is all that is left, in PyTorch as here.
    d = max(c["d_model"], 3) if placement == "sandwich" else c["d_model"]
    sizes = {"B": b, "T": t, "D": d}
    settings = {"norm_type": norm_type, "scale": source.choice((1.0, 0.5))}
    static = {"build": (d, c["dropout"], placement), "settings": settings}
    return sizes, {**static, "rng": draw_seed(source)}


card.call, card.call_twin = call, call_twin


@card.invariant("the skip path brings the sum's gradient once", broken_by="skip-doubled")
def _once(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """After the sum, x and h are in it alike but for the branch's factor; with a norm of the
    branch, dy comes by the skip."""
    placement, whole = case.static["build"][2], case.static["rng"] is None
    scale = case.static["settings"]["scale"]
    if placement == "branch":
        yield Finding(result["dx"], case.dy + result["dh"], 2 * scales["dx"])
    elif placement == "post" and whole:
        yield Finding(result["dx"], (1 + 1 / scale) * result["dh"], 2 * scales["dx"])


@card.invariant("what comes by a layer norm before the branch sums to 0 in every row",
                broken_by="skip-through-the-norm")  # fmt: skip
def _centred(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """dx - dy: a shift of x changes nothing behind the norm."""
    placement, layer_norm = case.static["build"][2], case.static["settings"]["norm_type"]
    if placement in ("pre", "sandwich") and layer_norm == "layer_norm":
        rest = result["dx"].astype(np.float64) - case.dy
        yield Finding(rest.sum(axis=-1), 0.0, (scales["dx"] + np.abs(case.dy)).sum(axis=-1))


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
        dh = (norm if norm.begin > sublayer.begin else sublayer).gradients[0]
        dx = visit.back.gradients[0]
        # The skip's gradient is dy, or, where the sum is normed, the norm's.
        for dsum in (visit.back.dy, norm.gradients[0]):
            if dx is None or dsum is None or dh is None:
                break
            rest = dx - dsum
            factor = (rest * dh).sum() / max((dh * dh).sum(), 1e-300)
            if close(rest, factor * dh):
                return "the branch"
        else:
            return "the skip path"
    return "the sum of the skip's and the branch's gradients"


def _backward(skip):
    """The backward with another gradient on the skip path."""

    def backward(self, dy, cache, sublayer_backward):
        dsum = self.norm.backward(dy, cache.norm) if self.placement == "post" else dy
        dh, *others = _branch(self, dsum, cache, sublayer_backward)
        dx = skip(dy, dsum, dh) + dh
        return (dx, *others) if others else dx

    return backward


def _branch(self, dsum, cache, sublayer_backward, *, norm_first=False, after=True, scaled=True):
    """The gradient of the branch's input, and what else the sub-layer returns."""
    dh = self.dropout.backward(self.scale * dsum if scaled else dsum, cache.dropout)
    if self.norm_after is not None and after:
        dh = self.norm_after.backward(dh, cache.norm_after)
    if self.placement == "branch" or (norm_first and self.pre_norm):
        dh = self.norm.backward(dh, cache.norm)
    dh = sublayer_backward(dh, cache.sublayer)
    dh, *others = dh if isinstance(dh, tuple) else (dh,)
    if self.pre_norm and not norm_first:
        dh = self.norm.backward(dh, cache.norm)
    return dh, *others


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
    "norms-in-the-forward-order",
    "the norm before the sub-layer is undone before the sub-layer, in the order of the forward",
    Residual.backward,
)
def _forward_order(self, dy, cache, sublayer_backward):
    if not self.pre_norm:
        return self.backward(dy, cache, sublayer_backward)
    dh, *others = _branch(self, dy, cache, sublayer_backward, norm_first=True)
    return (dy + dh, *others) if others else dy + dh


@card.wrong_method(
    "second-norm-skipped", "the norm of the branch is skipped on the way back", Residual.backward
)
def _second_skipped(self, dy, cache, sublayer_backward):
    if self.norm_after is None:
        return self.backward(dy, cache, sublayer_backward)
    dh, *others = _branch(self, dy, cache, sublayer_backward, after=False)
    return (dy + dh, *others) if others else dy + dh


@card.wrong_method("branch-factor-dropped", "the branch's gradient lacks the factor with which "
                   "the branch was added", Residual.backward)  # fmt: skip
def _factor_dropped(self, dy, cache, sublayer_backward):
    dsum = self.norm.backward(dy, cache.norm) if self.placement == "post" else dy
    dh, *others = _branch(self, dsum, cache, sublayer_backward, scaled=False)
    return (dsum + dh, *others) if others else dsum + dh


@card.wrong_method(
    "branch-norm-on-the-sum", "the norm of the branch is taken of the sum", Residual.forward
)
def _on_the_sum(self, x, sublayer, rng=None):
    if self.placement != "branch":
        return self.forward(x, sublayer, rng)
    h, inner = sublayer(x)
    h, dropout = self.dropout.forward(h, rng)
    y, norm = self.norm.forward(x + self.scale * h)
    return y, ResidualCache(norm, inner, dropout)


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
    if self.placement != "pre":
        return self.backward(dy, cache, sublayer_backward)
    dh = self.dropout.backward(self.scale * dy, cache.dropout)
    dh = sublayer_backward(dh, cache.sublayer)
    dh, *others = dh if isinstance(dh, tuple) else (dh,)
    dx = self.norm.backward(dh + dy, cache.norm)
    return (dx, *others) if others else dx
