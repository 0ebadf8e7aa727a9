"""An operation as a component: a pair of pure functions beside PyTorch's function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Frozen, Result, live
from npformer.cards.invariant import Invariant
from npformer.cards.op_card import OpCard
from npformer.cards.scales import float_info
from npformer.cards.strategies import Source
from npformer.verify.component import Component
from npformer.verify.reference.autograd import run_torch

Op = Callable[..., Any]


@dataclass(frozen=True)
class OpComponent(Component):
    """An implementation of an op, beside the oracles that its card names."""

    card: OpCard
    pair: tuple[Op, Op]
    """X_forward and X_backward of the implementation under test."""
    draw_from: Callable[[Source, Any], Case]
    kind: str = "op"

    @classmethod
    def of(cls, card: OpCard) -> OpComponent:
        """The package's own implementation."""
        return cls(card, card.pair, card.drawn)

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.card.name

    @property
    def invariants(self) -> tuple[Invariant, ...]:  # type: ignore[override]
        return tuple(self.card.invariants)

    def implemented_by(self, forward: Op | None = None, backward: Op | None = None) -> OpComponent:
        """The same component with another implementation to test against the same oracles."""
        pair = (forward or self.pair[0], backward or self.pair[1])
        return dataclasses.replace(self, pair=pair)

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def forward(self, case: Case) -> Array:
        return self.pair[0](**case.inputs, **live(case.static))[0]

    def run(self, case: Case) -> Result:
        return _run_pair(self.pair, case)

    def extended(self, case: Case) -> Result:
        return _run_pair(self.card.extended or self.card.pair, case)

    def twin(self, case: Case) -> Result:
        return run_torch(self.card.twin, case, live(case.static))

    def precise(self, case: Case) -> Result:
        return run_torch(self.card.precise or self.card.twin, case, live(case.static))

    def scales(self, case: Case) -> Result:
        fp = float_info(case.dy.dtype)
        case = case.cast(np.float64)
        with np.errstate(all="ignore"):
            return self.card.scales(**case.inputs, **case.static, dy=case.dy, fp=fp)

    def frozen_rows(self, case: Case) -> Frozen:
        return self.card.frozen(case)

    def plain(self, case: Case) -> bool:
        return self.card.plain(case)

    def smooth(self, case: Case) -> bool:
        return self.card.smooth(case.inputs.values(), case.static)


def _run_pair(pair: tuple[Op, Op], case: Case) -> Result:
    y, cache = pair[0](**case.inputs, **live(case.static))
    gradients = pair[1](case.dy, cache)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    result = {"y": y}
    for name, gradient in zip(case.inputs, gradients, strict=False):
        result[f"d{name}"] = gradient
    return result
