"""What must hold of a result by itself, which autograd cannot state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from npformer.cards.case import Array, Case, Result


class Finding(NamedTuple):
    """What an invariant compares: two arrays that must agree, on a scale.

    The scale of a sum is the sum of its terms' scales. Where something must be zero exactly
    (nothing flows through a mask), it is 0: any deviation is infinitely wrong.
    """

    value: Array
    expected: Array | float
    scale: Array | float


@dataclass(frozen=True)
class Invariant:
    """A statement, and how it is looked at."""

    what: str
    """The statement in words."""
    look: Callable[[Any, Case, Result, Result], Iterable[Finding]]
    """(component, case, result, scales) -> findings; none where it says nothing of the case."""
    broken_by: str = ""
    """A wrong version of the same card that breaks it: the proof that it can fail."""

    def findings(
        self, component: Any, case: Case, result: Result, scales: Result
    ) -> Iterator[Finding]:
        """What to compare for a result of ``component``."""
        yield from self.look(component, case, result, scales)
