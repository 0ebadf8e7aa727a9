"""An operation as a component: a pair of pure functions beside PyTorch's function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.verify.case import Array, Case, Component, Invariant, Result, live
from npformer.verify.drawing.strategies import Source
from npformer.verify.reference.autograd import run_torch
from npformer.verify.units.scales import precision

Op = Callable[..., Any]


@dataclass(frozen=True)
class OpComponent(Component):
    """An op: a pair of pure functions, beside the PyTorch function of the same arguments."""

    name: str
    draw_from: Callable[[Source, Any], Case]
    pair: tuple[Op, Op]
    """X_forward and X_backward of the implementation under test."""
    scale: Callable[..., Result]
    precise_function: Callable[..., Any] | None = None
    """A float64 PyTorch formula more exact than the library's own, where that is needed."""
    extended_pair: tuple[Op, Op] | None = None
    """The op for extended precision, where the registered one holds float64 constants."""
    invariants: tuple[Invariant, ...] = ()
    kink: float | None = None
    """Where the op has a corner, a line that passes within 0.01 of it is not differentiated."""
    frozen: Callable[[Case], dict[str, int | None]] = lambda case: {}
    """See ``frozen_rows``: a padding row, by convention."""
    kind: str = "op"
    registered: tuple[Op, Op] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "registered", self.extended_pair or self.pair)

    def implemented_by(self, forward: Op | None = None, backward: Op | None = None) -> OpComponent:
        """The same component with another implementation to test against the same oracles."""
        other = dataclasses.replace(self)
        object.__setattr__(other, "pair", (forward or self.pair[0], backward or self.pair[1]))
        return other

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def forward(self, case: Case) -> Array:
        return self.pair[0](**case.inputs, **live(case.static))[0]

    def run(self, case: Case) -> Result:
        return _run_pair(self.pair, case)

    def extended(self, case: Case) -> Result:
        return _run_pair(self.registered, case)

    def twin(self, case: Case) -> Result:
        from torch_ref.ops import OPS

        return run_torch(OPS[self.name], case, live(case.static))

    def precise(self, case: Case) -> Result:
        if self.precise_function is None:
            return self.twin(case)
        return run_torch(self.precise_function, case, live(case.static))

    def scales(self, case: Case) -> Result:
        fp = precision(case.dy.dtype)
        case = case.cast(np.float64)
        with np.errstate(all="ignore"):
            return self.scale(**case.inputs, **case.static, dy=case.dy, fp=fp)

    def frozen_rows(self, case: Case) -> dict[str, int | None]:
        return self.frozen(case)

    def smooth(self, case: Case) -> bool:
        return self.kink is None or all(
            (np.abs(a - self.kink) > 0.01).all() for a in case.inputs.values()
        )


def _run_pair(pair: tuple[Op, Op], case: Case) -> Result:
    y, cache = pair[0](**case.inputs, **live(case.static))
    gradients = pair[1](case.dy, cache)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    result = {"y": y}
    for name, gradient in zip(case.inputs, gradients, strict=False):
        result[f"d{name}"] = gradient
    return result
