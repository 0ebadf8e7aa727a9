"""What the cards of activations share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from npformer.cards.case import Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.strategies import Source, draw_rng, rarely

WORDS = {"y": "the function", "dx": "its derivative"}
GATED = "x times a gate with gate(x) + gate(-x) = 1: y(x) - y(-x) = x, dx(x) + dx(-x) = dy"


def draw_elementwise(source: Source, dtype: Any) -> Case:
    """Magnitudes spread over the range in which an activation bends, as well as far outside."""
    letters = source.choice(("btd", "bd", "d", "abtd"))
    case = draw_case(source, f"{letters} -> {letters}", ("x",), dtype)
    if rarely(source, 3):
        spread = draw_rng(source).uniform(-12, 12, case.dy.shape).astype(dtype)
        return case.with_inputs({"x": spread})
    return case


def gated(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The findings of ``GATED``."""
    mirrored = case.with_inputs({"x": -case.inputs["x"]})
    other = component.run(mirrored)
    both = component.scales(mirrored)
    yield Finding(result["y"] - other["y"], case.inputs["x"], scales["y"] + both["y"])
    yield Finding(result["dx"] + other["dx"], case.dy, scales["dx"] + both["dx"])
