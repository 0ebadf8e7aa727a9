"""The card of the activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.activation import ACTIVATIONS, Activation
from npformer.seam import Call

card = ModuleCard.of(Activation)
card.inputs, card.output = {"x": "BTD"}, "BTD"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every activation."""
    return draw_sizes(source, "BTD"), {"build": (source.choice(tuple(ACTIVATIONS)),)}


def _op(module: Activation) -> str:
    forward = ACTIVATIONS[module.name][0]
    return Call(getattr(forward, "func", forward)).pair


card.calls = _op


def _far(component: Any, case: Case, value: float) -> tuple[Case, Any]:
    """Every entry at ``value``, and what the module gives."""
    far = case.with_inputs({"x": np.full_like(case.inputs["x"], value)})
    return far, component.run(far)


@card.invariant("far below 0 nothing comes through, forward or backward", "forward-only")
def _below(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    _, shut = _far(component, case, -1000.0)
    yield Finding(shut["y"], 0.0, 0.0)
    yield Finding(shut["dx"], 0.0, 0.0)


@card.invariant("far above 0 y is x or its square, and dx dy times the slope of that", "shifted")
def _above(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    far, open_ = _far(component, case, 1000.0)
    x, square = far.inputs["x"], case.static["build"][0] == "relu_squared"
    yield Finding(open_["y"], x * x if square else x, np.abs(x * x if square else x))
    yield Finding(open_["dx"], 2 * x * case.dy if square else case.dy, np.abs(x * case.dy) / 100)


@card.wrong_method("forward-only", "the gradient goes back as if there were none",
                   Activation.backward)  # fmt: skip
def _identity(self, dy, cache):
    return dy


@card.wrong_method("shifted", "units open at 1 and not at 0, a bias too many", Activation.forward)
def _shifted(self, x):
    return self.forward(x - 1)


@card.wrong_method(
    "always-relu",
    "the forward has ReLU, whatever the name, and the backward does not",
    Activation.forward,
)
def _relu(self, x):
    return np.maximum(x, 0), self.forward(x)[1]
