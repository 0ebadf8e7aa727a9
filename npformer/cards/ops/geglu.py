"""The card of GeGLU, in both of its forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
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
from npformer.cards.ops.gelu import card as gelu
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import geglu
from npformer.ops.geglu import GegluCache, geglu_backward, geglu_forward

card = OpCard.of(geglu)
card.owner = "GatedActivation"
card.words = WORDS
card.variants = ({"approximate": "tanh"},)
card.invariant(EULER, broken_by="activation-missing")(euler)
card.invariant(DOUBLED, broken_by="up-missing")(doubled)
card.invariant(MIRRORED, broken_by="density-without-gate")(mirrored)
card.edge("the tails", {"gate": [-30.0, -12, -6, 6, 12, 30], "up": [2.0, -1, 3, 0.5, 1, -2]})
card.edge(
    "the tails, tanh",
    {"gate": [-30.0, -9, -6, 6, 9, 30], "up": [2.0, -1, 3, 0.5, 1, -2]},
    approximate="tanh",
)
card.edge("up of 0", {"gate": [-1.0, 0, 2], "up": [0.0, 0, 0]})
card.edge("no rows", {"gate": np.zeros((0, 4)), "up": np.zeros((0, 4))})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Both formulas."""
    case = draw_gated(source, dtype)
    return Case(case.inputs, {"approximate": source.choice(("none", "tanh"))}, case.dy)


@card.scale
def scale(gate: Array, up: Array, *, approximate: str, dy: Array, fp: FloatInfo) -> Scales:
    """GELU's (its card), times the other factor, which is exact."""
    h = gelu.scales(x=gate, approximate=approximate, dy=dy * up, fp=fp)
    return {
        "y": h["y"] * np.abs(up) + fp.tiny,
        "dup": h["y"] * np.abs(dy) + fp.tiny,
        "dgate": h["dx"],
    }


def _precise(gate: Any, up: Any, *, approximate: str = "none") -> Any:
    """GELU by a formula that keeps its digits in the left tail."""
    assert gelu.precise is not None
    return gelu.precise(gate, approximate=approximate) * up


def _extended_forward(gate: Array, up: Array, *, approximate: str) -> tuple[Array, Any]:
    """GeGLU in extended precision, for which GELU's rational approximation is not made."""
    assert gelu.extended is not None
    h, inner = gelu.extended[0](gate, approximate=approximate)
    return h * up, (h, up, inner)


def _extended_backward(dy: Array, cache: Any) -> tuple[Array, Array]:
    h, up, inner = cache
    assert gelu.extended is not None
    return gelu.extended[1](dy * up, inner), dy * h


card.precise = _precise
card.extended = (_extended_forward, _extended_backward)


def _h(cache):
    return cache.gate * cache.p


def _exact(function):
    """A wrong dgate of the exact form; the form by tanh stays right."""

    def backward(dy, cache):
        dgate, dup = geglu_backward(dy, cache)
        return (dgate if cache.approximate != "none" else function(dy * cache.up, cache)), dup

    return backward


@card.wrong_backward("gradients-exchanged", "dgate and dup come back in the wrong order")
def _exchanged(dy, cache):
    dgate, dup = geglu_backward(dy, cache)
    return dup, dgate


@card.wrong_backward("activation-missing", "dup is dy * gate: the activation is left out")
def _activation_missing(dy, cache):
    return geglu_backward(dy, cache)[0], dy * cache.gate


@card.wrong_backward("up-missing", "dgate lacks the factor up")
def _up_missing(dy, cache):
    plain = cache._replace(up=np.ones_like(cache.up))
    return geglu_backward(dy, plain)[0], geglu_backward(dy, cache)[1]


@card.wrong_backward("slope-dropped", "dgate is dh * p: the gate is taken for a constant")
def _slope_dropped(dy, cache):
    return dy * cache.up * cache.p, geglu_backward(dy, cache)[1]


@card.wrong_backward("density-without-gate", "the density lacks its factor gate")
@_exact
def _without_gate(dh, cache):
    density = np.exp(-cache.gate * cache.gate / 2) / math.sqrt(2 * math.pi)
    return (dh * (cache.p + density)).astype(dh.dtype)


@card.wrong_backward("density-without-root", "the density lacks 1 / sqrt(2 pi)")
@_exact
def _without_root(dh, cache):
    return dh * (cache.p + cache.gate * np.exp(-cache.gate * cache.gate / 2))


@card.wrong_backward("forms-exchanged", "the exact form's derivative is used for that by tanh")
def _forms(dy, cache):
    return geglu_backward(dy, cache._replace(approximate="none"))[0], geglu_backward(dy, cache)[1]


@card.wrong_backward("y-for-h", "dup is dy * y: up is still in it")
def _y_for_h(dy, cache):
    return geglu_backward(dy, cache)[0], dy * _h(cache) * cache.up


@card.wrong_forward("halves-exchanged", "up is activated and gate is not: the file has up first")
def _halves(gate, up, *, approximate="none"):
    return geglu_forward(up, gate, approximate=approximate)


@card.wrong_forward("quick", "gate * sigmoid(1.702 gate) is used for the exact form")
def _quick(gate, up, *, approximate="none"):
    if approximate != "none":
        return geglu_forward(gate, up, approximate=approximate)
    p = (1 / (1 + np.exp(-1.702 * gate))).astype(gate.dtype)
    return gate * p * up, GegluCache(gate, up, p, approximate)


@card.wrong_forward("form-ignored", "the form by tanh is asked for, and the exact one is given")
def _ignored(gate, up, *, approximate="none"):
    return geglu_forward(gate, up)
