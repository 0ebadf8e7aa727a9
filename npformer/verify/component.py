"""What can be verified: a component draws its cases and runs them on either side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.case import Array, Case, Frozen, Result
from npformer.cards.invariant import Invariant
from npformer.cards.strategies import HypothesisSource, Source
from npformer.errors import VerifyError
from npformer.verify.units.error import ACCEPT, CAP, acceptable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class BrokenContract(Exception):
    """A call that gave something other than a result: too few gradients, no array, no output."""


class Written(BrokenContract):
    """A function wrote to what belongs to its caller."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        """Of the input, or of the upstream gradient."""


class Refused(Exception):
    """Somebody's function raised on a case: it counts neither for it nor against it."""


class Random(VerifyError):
    """A forward gives another output for the same case: there is nothing to compare."""


class Component:
    """What the checker needs to know of an op, a module or a model."""

    name: str
    kind: str
    witness: str = "PyTorch"
    """Whose result it is measured against."""
    widest: Any = np.longdouble
    """The widest dtype that ``forward`` and ``run`` compute in."""
    lenient: bool = False
    """Whether it is somebody's own: a case that it refuses is left out, and so is one that the
    witness itself gets wrong, by overflow say."""
    inside: str = ""
    """The precision in which it computes, and whose units count, if not that of the case."""
    bound: float | None = None
    """Up to where errors pass, if the caller says so."""
    has_kinks: bool = False
    """Whether the forward may have kinks that ``smooth`` does not know of."""
    only_hypothesis: bool = False
    """Whether its cases come from strategies, which a plain generator cannot draw from."""
    remarks: tuple[str, ...] = ()
    """What a result says besides, such as which outputs have no gradient."""

    def draw(self, source: Source, dtype: Any) -> Case:
        """A case, parameters off their initial values."""
        raise NotImplementedError

    def forward(self, case: Case) -> Array:
        """The NumPy output alone, in the case's own dtype; several outputs are ``joined``."""
        raise NotImplementedError

    def run(self, case: Case) -> Result:
        """The NumPy output and gradients of the implementation under test."""
        raise NotImplementedError

    def extended(self, case: Case) -> Result:
        """The same of the registered implementation, for a case in extended precision."""
        raise NotImplementedError

    def twin(self, case: Case) -> Result:
        """PyTorch's output and autograd's gradients, in the case's dtype."""
        raise NotImplementedError

    def precise(self, case: Case) -> Result:
        """PyTorch's, of a float64 case, by the most accurate formula that it has."""
        return self.twin(case)

    def scales(self, case: Case) -> Result:
        """S of every entry of a result."""
        raise NotImplementedError

    def reference(self, case: Case) -> Result | None:
        """The results to measure a case against, if the component knows; see ``oracles``."""
        return None

    def eps(self, case: Case) -> float:
        """Of the numbers that the implementation computes with."""
        return float(np.finfo(case.dy.dtype).eps)

    def accepts(self, ours: float, pytorch: float) -> bool:
        """Whether an error is right, given the witness's own on the same case."""
        return acceptable(ours, pytorch) if self.bound is None else ours <= self.bound

    @property
    def said_of_bound(self) -> str:
        """Which errors pass, and what the unit is made of."""
        limit = f"errors up to {ACCEPT:g} pass, or up to twice PyTorch's own but at most {CAP:g}"
        if self.bound is not None:
            limit = f"errors up to {self.bound:g} pass, as asked"
        return f"{limit}; a unit is eps x the condition scale"

    def reconsidered(self, case: Case, name: str, ours: Result, exact: Result) -> Array | None:
        """S of a result that is not accepted, measured with more care; None if there is no more."""
        return None

    def systematic(
        self, case: Case, name: str, ours: Result, exact: Result, units: Array
    ) -> Array | None:
        """The part of an accepted error, in ``units``, that is no rounding; None if there is none.

        Few digits make a bound wide enough to hide it.
        """
        return None

    def smooth(self, case: Case) -> bool:
        """Whether the forward can be differentiated along a line through this case."""
        return True

    def widest_for(self, case: Case) -> Any:
        """In which a case is asked of them: the widest, unless that would take too long."""
        return self.widest

    def plain(self, case: Case) -> bool:
        """Whether a case asks for nothing that the arguments' names do not show."""
        return True

    def sizes(self, case: Case) -> dict[str, int]:
        """Of the axes, by letter, where they have letters."""
        return {}

    invariants: tuple[Invariant, ...] = ()

    def frozen_rows(self, case: Case) -> Frozen:
        """By input, what gets no gradient although the output depends on it, if anything."""
        return {}


def cases(component: Component, dtype: Any) -> SearchStrategy[Case]:
    """Cases of a registered component, as a Hypothesis strategy."""
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: Callable[[SearchStrategy[Any]], Any]) -> Case:
        return component.draw(HypothesisSource(draw), np.dtype(dtype))

    return drawn()
