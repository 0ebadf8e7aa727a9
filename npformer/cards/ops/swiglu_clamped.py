"""The card of the clamped SwiGLU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.gated import UNDERFLOW, draw_gated
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import only
from npformer.cards.scales import FloatInfo, Scales, logistic
from npformer.cards.strategies import Source
from npformer.ops import swiglu_clamped
from npformer.ops.swiglu_clamped import (
    SwigluClampedCache,
    swiglu_clamped_backward,
    swiglu_clamped_forward,
)

card = OpCard.of(swiglu_clamped)
card.owner = "GatedActivation"
card.kink = lambda static: static.get("limit", 7.0)
card.words = {
    "y": "the activated gate times up + 1",
    "dgate": "dy times up + 1, through the activation and the clamp",
    "dup": "dy times the activated gate, through the clamp",
}
card.edge(
    "at the bounds, where the gradient passes",
    {"gate": [7.0, 7.5, -7, -7.5, 1, 1, 1], "up": [1.0, 1, 1, 1, 7, -7, 7.5]},
)
card.edge("up of -1", {"gate": [-1.0, 0, 2], "up": [-1.0, -1, -1]})
card.edge("the tail", {"gate": [-80.0, -30, -5], "up": [2.0, -1, 3]}, alpha=1.0, limit=10.0)
card.edge("no rows", {"gate": np.zeros((0, 4)), "up": np.zeros((0, 4))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Limits that many entries of generic size are beyond, and gpt-oss's own."""
    case = draw_gated(source, dtype)
    static = {
        "alpha": source.choice((1.702, 1.0, 3.0)),
        "limit": source.choice((7.0, 1.0, 0.5)),
    }
    return Case(case.inputs, static, case.dy)


@card.scale
def scale(
    gate: Array, up: Array, *, alpha: float, limit: float, dy: Array, fp: FloatInfo
) -> Scales:
    """As SiLU's of alpha g: the tail is conditioned like exp. Clamps are exact."""
    g, u = np.minimum(gate, limit), np.clip(up, -limit, limit)
    z = np.minimum(np.abs(alpha * g), 1e4)
    s, flush = logistic(alpha * g), fp.tiny / fp.eps
    off = s * (1 + np.where(g < 0, z, 0.0)) + flush
    h = np.abs(g) * off + fp.tiny
    return {
        "y": h * np.abs(u + 1) + fp.tiny,
        "dup": h * np.abs(dy) + fp.tiny,
        "dgate": np.abs(dy * (u + 1)) * off * (1 + z) + fp.tiny * (1 + z),
    }


@card.invariant("nothing flows beyond a bound", broken_by="masks-forgotten")
def _stopped(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    gate, up = case.inputs.values()
    yield Finding(result["dgate"][gate > case.static["limit"]], 0.0, 0.0)
    yield Finding(result["dup"][np.abs(up) > case.static["limit"]], 0.0, 0.0)


@card.invariant("what is beyond a bound may move: nothing changes", broken_by="not-clamped")
def _constant(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    gate, up = case.inputs.values()
    limit = case.static["limit"]
    moved = {
        "gate": np.where(gate > limit, 2 * gate, gate),
        "up": np.where(np.abs(up) > limit, 2 * up, up),
    }
    other = component.run(case.with_inputs(moved))
    for name in result:
        yield Finding(other[name], result[name], 0.0)


@card.invariant(
    "between the bounds y is linear in up: (up + 1) dup = dy y", broken_by="dup-with-up"
)
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    up, dy = (a.astype(np.float64) for a in (case.inputs["up"], case.dy))
    near = np.abs(up) <= case.static["limit"]
    left, right = (up + 1) * result["dup"], dy * result["y"]
    scale = np.abs(up + 1) * scales["dup"] + np.abs(dy) * scales["y"] + UNDERFLOW
    yield Finding(left[near], right[near], scale[near])


def _parts(cache):
    g = np.minimum(cache.gate, cache.limit)
    u = np.clip(cache.up, -cache.limit, cache.limit)
    s = (1 / (1 + np.exp(-cache.alpha * g))).astype(g.dtype)
    return g, u, s


def _inside(cache):
    return cache.gate <= cache.limit, np.abs(cache.up) <= cache.limit


@card.wrong_backward(
    "masks-forgotten",
    "the clamps are left out of the backward: saturated units get a gradient",
    seen="mlc-ai/pith-train#23",
    smallest="gate (1,), up (1,)",
    missed_by=only(
        "inputs within the bounds",
        lambda case: all((np.abs(a) < case.static["limit"]).all() for a in case.inputs.values()),
    ),
)
def _no_masks(dy, cache):
    g, u, s = _parts(cache)
    return dy * (u + 1) * (s + g * cache.alpha * s * (1 - s)), dy * g * s


@card.wrong_backward("gate-mask-below", "dgate is stopped below -limit too, where nothing clamps")
def _mask_below(dy, cache):
    dgate, dup = swiglu_clamped_backward(dy, cache)
    return np.where(np.abs(cache.gate) <= cache.limit, dgate, 0), dup


@card.wrong_backward("mask-of-the-other", "each gradient is stopped by the other one's clamp")
def _other_mask(dy, cache):
    dgate, dup = _no_masks(dy, cache)
    gate, up = _inside(cache)
    return np.where(up, dgate, 0), np.where(gate, dup, 0)


@card.wrong_backward(
    "shut-at-the-bounds",
    "at a bound itself the gradient is 0, as in PyTorch from 2.14 on; here it passes",
    beyond_forward=True,
)
def _shut(dy, cache):
    dgate, dup = swiglu_clamped_backward(dy, cache)
    at = np.abs(cache.up) == cache.limit
    return np.where(cache.gate == cache.limit, 0, dgate), np.where(at, 0, dup)


@card.wrong_backward("dup-with-up", "dup is dy * y: up + 1 is still in it")
def _with_up(dy, cache):
    g, u, s = _parts(cache)
    dgate, _ = swiglu_clamped_backward(dy, cache)
    return dgate, np.where(_inside(cache)[1], dy * g * s * (u + 1), 0)


@card.wrong_backward("plus-one-forgotten", "dgate has the factor up, not up + 1")
def _no_one(dy, cache):
    g, u, s = _parts(cache)
    dgate = dy * u * (s + g * cache.alpha * s * (1 - s))
    return np.where(_inside(cache)[0], dgate, 0), swiglu_clamped_backward(dy, cache)[1]


@card.wrong_backward("alpha-forgotten", "the slope lacks alpha, the inner derivative")
def _no_alpha(dy, cache):
    g, u, s = _parts(cache)
    dgate = dy * (u + 1) * (s + g * s * (1 - s))
    return np.where(_inside(cache)[0], dgate, 0), swiglu_clamped_backward(dy, cache)[1]


@card.wrong_backward("not-clamped-in-the-backward", "the backward reads gate and up as they came")
def _raw(dy, cache):
    far = cache._replace(limit=np.inf)
    dgate, dup = swiglu_clamped_backward(dy, far)
    gate, up = _inside(cache)
    return np.where(gate, dgate, 0), np.where(up, dup, 0)


@card.wrong_forward(
    "gate-clamped-below",
    "the gate is clamped on both sides",
    seen="PrimeIntellect-ai/prime-rl#2365",
    smallest="gate (1,), up (1,)",
    missed_by=only(
        "gates above -limit", lambda case: (case.inputs["gate"] > -case.static["limit"]).all()
    ),
)
def _below(gate, up, *, alpha=1.702, limit=7.0):
    y, _ = swiglu_clamped_forward(np.maximum(gate, -limit), up, alpha=alpha, limit=limit)
    return y, SwigluClampedCache(gate, up, alpha, limit)


@card.wrong_forward("up-clamped-above", "up is clamped above alone, as the gate is")
def _above(gate, up, *, alpha=1.702, limit=7.0):
    g, u = np.minimum(gate, limit), np.minimum(up, limit)
    y = g / (1 + np.exp(-alpha * g)) * (u + 1)
    return y.astype(gate.dtype), SwigluClampedCache(gate, up, alpha, limit)


@card.wrong_forward("not-clamped", "the limit is ignored")
def _not_clamped(gate, up, *, alpha=1.702, limit=7.0):
    y, _ = swiglu_clamped_forward(gate, up, alpha=alpha, limit=np.inf)
    return y, SwigluClampedCache(gate, up, alpha, limit)


@card.wrong_forward("without-plus-one", "the activated gate is multiplied by up, not by up + 1")
def _plain(gate, up, *, alpha=1.702, limit=7.0):
    y, cache = swiglu_clamped_forward(gate, up, alpha=alpha, limit=limit)
    g, u, s = _parts(cache)
    return g * s * u, cache


@card.wrong_forward("alpha-ignored", "alpha is taken for 1: SiLU in place of the sharper gate")
def _alpha(gate, up, *, alpha=1.702, limit=7.0):
    y, _ = swiglu_clamped_forward(gate, up, alpha=1.0, limit=limit)
    return y, SwigluClampedCache(gate, up, alpha, limit)
