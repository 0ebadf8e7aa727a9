"""What the cards of gated activations share: y = h(gate) * up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.strategies import Source, draw_rng, rarely

WORDS = {
    "y": "the activated gate times up",
    "dgate": "dy times up, through the activation",
    "dup": "dy times the activated gate",
}
EULER = "y is linear in up: up * dup = dy * y"
DOUBLED = "twice up gives twice y and twice dgate, and the same dup"
UNDERFLOW = np.finfo(np.float64).tiny
"""The scale of a product that an invariant itself computes."""
MIRRORED = "h(gate) - h(-gate) = gate: y(gate) - y(-gate) = gate * up, and so for the gradients"


def draw_gated(source: Source, dtype: Any) -> Case:
    """Gates spread over the range in which an activation bends, as well as far outside."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    case = draw_case(source, f"{letters}, {letters} -> {letters}", ("gate", "up"), dtype)
    if rarely(source, 3):
        spread = draw_rng(source).uniform(-12, 12, case.dy.shape).astype(dtype)
        return case.with_inputs({"gate": spread})
    return case


def euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The findings of ``EULER``."""
    up, dy = (a.astype(np.float64) for a in (case.inputs["up"], case.dy))
    with np.errstate(over="ignore", invalid="ignore"):
        left, right = up * result["dup"], dy * result["y"]
        scale = np.abs(up) * scales["dup"] + np.abs(dy) * scales["y"] + UNDERFLOW
    known = np.isfinite(left) & np.isfinite(right) & np.isfinite(scale)
    yield Finding(left[known], right[known], scale[known])


def doubled(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The findings of ``DOUBLED``."""
    other = component.run(case.with_inputs({"up": 2 * case.inputs["up"]}))
    for name, factor in (("y", 2), ("dgate", 2), ("dup", 1)):
        twice = factor * result[name].astype(np.float64)
        near = np.isfinite(other[name]) & np.isfinite(twice)
        yield Finding(other[name][near], twice[near], scales[name][near])


def mirrored(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The findings of ``MIRRORED``."""
    other_case = case.with_inputs({"gate": -case.inputs["gate"]})
    other, both = component.run(other_case), component.scales(other_case)
    gate, up, dy = (a.astype(np.float64) for a in (*case.inputs.values(), case.dy))
    for name, sign, expected in (
        ("y", -1, gate * up),
        ("dup", -1, gate * dy),
        ("dgate", 1, dy * up),
    ):
        found = result[name].astype(np.float64) + sign * other[name].astype(np.float64)
        scale = scales[name] + both[name] + np.abs(expected)
        near = np.isfinite(found) & np.isfinite(scale)
        yield Finding(found[near], expected[near], scale[near])
