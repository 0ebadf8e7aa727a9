"""The card of SwiGLU."""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Array
from npformer.cards.gated import (
    DOUBLED,
    EULER,
    MIRRORED,
    WORDS,
    doubled,
    draw_gated,
    euler,
    mirrored,
)
from npformer.cards.op_card import OpCard
from npformer.cards.ops.silu import card as silu
from npformer.cards.ordinary import ONE_ROW, OUTPUT
from npformer.cards.pytorch import F
from npformer.cards.scales import FloatInfo, Scales
from npformer.ops import swiglu
from npformer.ops.array import rows
from npformer.ops.swiglu import SwigluCache, swiglu_backward, swiglu_forward

card = OpCard.of(swiglu)
card.owner = "GatedActivation"
# Beneath -800, where exp(x) is 0 in float64, PyTorch's derivative is 0 times inf.
card.precise = lambda gate, up: F.silu(gate.clamp(min=-800.0)) * up
card.draw(draw_gated)
card.words = WORDS
card.invariant(EULER, broken_by="activation-missing")(euler)
card.invariant(DOUBLED, broken_by="up-missing")(doubled)
card.invariant(MIRRORED, broken_by="slope-without-gate")(mirrored)
card.edge("the tails", {"gate": [-80.0, -30, -5, 5, 30, 80], "up": [2.0, -1, 3, 0.5, 1, -2]})
card.edge("up of 0", {"gate": [-1.0, 0, 2], "up": [0.0, 0, 0]})
card.edge("a gate of 0", {"gate": [0.0, -0.0], "up": [3.0, -2]})
card.edge("no rows", {"gate": np.zeros((0, 4)), "up": np.zeros((0, 4))})


@card.scale
def scale(gate: Array, up: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """SiLU's (its card), times the other factor, which is exact."""
    h = silu.scales(x=gate, dy=dy * up, fp=fp)
    return {
        "y": h["y"] * np.abs(up) + fp.tiny,
        "dup": h["y"] * np.abs(dy) + fp.tiny,
        "dgate": h["dx"],
    }


def _h(cache):
    return cache.gate * cache.s


@card.wrong_backward(
    "gradients-exchanged",
    "dgate and dup come back in the wrong order",
    seen="unslothai/unsloth#3314",
    smallest="gate (1,), up (1,)",
    missed_by=OUTPUT,
)
def _exchanged(dy, cache):
    dgate, dup = swiglu_backward(dy, cache)
    return dup, dgate


@card.wrong_backward(
    "rows-into-the-first",
    "every row's gradients are written to row 0, where the last one stays",
    seen="ByteDance-Seed/Triton-distributed#180",
    smallest="gate (2, 1), up (2, 1)",
    missed_by=ONE_ROW,
)
def _into_the_first(dy, cache):
    found = []
    for gradient in swiglu_backward(dy, cache):
        wrong = np.zeros_like(gradient)
        if gradient.size:
            rows(wrong)[0] = rows(gradient)[-1]
        found.append(wrong)
    return tuple(found)


@card.wrong_backward("activation-missing", "dup is dy * gate: the activation is left out")
def _activation_missing(dy, cache):
    return swiglu_backward(dy, cache)[0], dy * cache.gate


@card.wrong_backward("gate-value-for-h", "dup is dy times the sigmoid alone, not times gate * s")
def _sigmoid_for_h(dy, cache):
    return swiglu_backward(dy, cache)[0], dy * cache.s


@card.wrong_backward("up-missing", "dgate lacks the factor up")
def _up_missing(dy, cache):
    plain = cache._replace(up=np.ones_like(cache.up))
    return swiglu_backward(dy, plain)[0], swiglu_backward(dy, cache)[1]


@card.wrong_backward("slope-dropped", "dgate is dh * s: the sigmoid is taken for a constant")
def _slope_dropped(dy, cache):
    return dy * cache.up * cache.s, swiglu_backward(dy, cache)[1]


@card.wrong_backward("slope-without-gate", "the sigmoid's slope lacks its factor gate")
def _slope_without_gate(dy, cache):
    slope = cache.s + cache.s * (1 - cache.s)
    return dy * cache.up * slope, swiglu_backward(dy, cache)[1]


@card.wrong_backward("h-for-gate", "h stands where gate belongs: its buffer was written over")
def _h_for_gate(dy, cache):
    h = _h(cache)
    dgate = dy * cache.up * (cache.s + h * cache.s * (1 - cache.s))
    return dgate, swiglu_backward(dy, cache)[1]


@card.wrong_backward("y-for-h", "dup is dy * y: up is still in it")
def _y_for_h(dy, cache):
    return swiglu_backward(dy, cache)[0], dy * _h(cache) * cache.up


@card.wrong_backward(
    "slope-overflows",
    "the slope is made of exp(-gate), whose square overflows where gate is far below 0",
    beyond_forward=True,
)
def _overflows(dy, cache):
    e = np.exp(-cache.gate)
    dgate = dy * cache.up * (1 + e + cache.gate * e) / (1 + e) ** 2
    return dgate, swiglu_backward(dy, cache)[1]


@card.wrong_backward("single-precision", "both gradients are computed silently in float32")
def _float32(dy, cache):
    narrow = SwigluCache(*(np.asarray(a, np.float32) for a in cache))
    return tuple(g.astype(dy.dtype) for g in swiglu_backward(dy.astype(np.float32), narrow))


@card.wrong_forward("halves-exchanged", "up is activated and gate is not: the file has up first")
def _halves(gate, up):
    return swiglu_forward(up, gate)


@card.wrong_forward("activated-after", "the product is activated: silu(gate * up)")
def _after(gate, up):
    y, _ = swiglu_forward(gate * up, np.ones_like(up))
    return y, swiglu_forward(gate, up)[1]


@card.wrong_forward("both-activated", "both halves are activated")
def _both(gate, up):
    h, _ = swiglu_forward(up, np.ones_like(up))
    return swiglu_forward(gate, h)
