"""The card of the gated activation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.altered import altered
from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import Source, draw_sizes
from npformer.nn.gated_activation import GATED_ACTIVATIONS, GatedActivation
from npformer.seam import Call

card = ModuleCard.of(GatedActivation)
card.inputs, card.output = {"gate": "BTF", "up": "BTF"}, "BTF"


@card.draw
def draw(source: Source) -> tuple[dict[str, int], dict[str, Any]]:
    """Every gated activation."""
    return draw_sizes(source, "BTF"), {"build": (source.choice(tuple(GATED_ACTIVATIONS)),)}


def _op(module: GatedActivation) -> str:
    forward = GATED_ACTIVATIONS[module.name][0]
    return Call(getattr(forward, "func", forward)).pair


card.calls = _op


def _clamped(case: Case) -> bool:
    """Whether up has a 1 added, and an end."""
    return bool(case.static["build"][0] == "swiglu_clamped")


@card.invariant("<dup, up> = <dy, y>", broken_by="halved")
def _linear(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """y is linear in up."""
    if _clamped(case):
        return
    up, y = case.inputs["up"].astype(np.float64), result["y"].astype(np.float64)
    size = (scales["dup"] * np.abs(up)).sum() + (scales["y"] * np.abs(case.dy)).sum()
    yield Finding((result["dup"] * up).sum(), (case.dy * y).sum(), size)


@card.invariant("an up of zeros gives zeros, and the gate no gradient", broken_by="gated-by-up")
def _shut(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if _clamped(case):
        return
    found = component.run(case.with_inputs({"up": np.zeros_like(case.inputs["up"])}))
    yield Finding(found["y"], 0.0, 0.0)
    yield Finding(found["dgate"], 0.0, 0.0)


@card.wrong_method("gradients-exchanged", "dgate and dup change places", GatedActivation.backward)
def _exchanged(self, dy, cache):
    dgate, dup = self.backward(dy, cache)
    return dup, dgate


@card.wrong_method("halves-exchanged", "up goes in where the gate belongs", GatedActivation.forward)
def _halves(self, gate, up):
    return self.forward(up, gate)


@card.wrong_method("forward-only", "both get dy, as if there were no product",
                   GatedActivation.backward)  # fmt: skip
def _identity(self, dy, cache):
    return dy, dy


@card.wrong_method("gate-detached", "the gate is taken for a constant", GatedActivation.backward)
def _detached(self, dy, cache):
    dgate, dup = self.backward(dy, cache)
    return np.zeros_like(dgate), dup


@card.wrong_method("up-detached", "up is taken for a constant", GatedActivation.backward)
def _up_detached(self, dy, cache):
    dgate, dup = self.backward(dy, cache)
    return dgate, np.zeros_like(dup)


@card.wrong_method("shared", "both halves get the sum of the two gradients",
                   GatedActivation.backward)  # fmt: skip
def _shared(self, dy, cache):
    both = sum(self.backward(dy, cache))
    return both, both


@card.wrong_method("halved", "both halves get half of theirs, as if dy were shared out",
                   GatedActivation.backward)  # fmt: skip
def _halved(self, dy, cache):
    dgate, dup = self.backward(dy, cache)
    return dgate / 2, dup / 2


@card.wrong_method("always-swiglu", "the name is ignored: SwiGLU for all", GatedActivation.forward)
def _always(self, gate, up):
    with altered(self, name="swiglu"):
        y, _ = self.forward(gate, up)
    return y, self.forward(gate, up)[1]


@card.wrong_method("gated-by-up", "the gate is multiplied by itself, and up is never read",
                   GatedActivation.forward)  # fmt: skip
def _never(self, gate, up):
    return self.forward(gate, gate)
