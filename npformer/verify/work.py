"""How much a search may look at, counted in the numbers that are computed and compared for it.

A case of some hundred numbers is never short of it. Of one of a hundred thousand not everything can
be tried that is tried of a small one. A count and no clock: the same case gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NUMBERS = 1_000_000_000
"""That a search may compute, if nothing else is said: some seconds of NumPy's."""
COMPARED = 20
"""What comparing two numbers costs, where computing one costs 1."""
CALL = 500
"""What a call costs at least, of however few numbers."""
PARTS = 10
"""How often a search that needs all of it says how far it is."""


class Spent(BaseException):
    """There is no work left.

    No ``Exception``: those cost a single trial, which somebody's function may not take.
    """


class _Budget:
    def __init__(self, numbers: float, tell: Callable[[str], None]) -> None:
        self.all = self.left = numbers
        self.tell, self.told = tell, 0

    def spend(self, numbers: float) -> None:
        self.left -= numbers
        if self.left < 0:
            raise Spent
        done = int(PARTS * (self.all - self.left) / self.all)
        if done > self.told:
            self.told = done
            self.tell(f"{done / PARTS:.0%} of the work that it may take")


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def within(
    numbers: float = NUMBERS, tell: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """In the block, ``spend`` raises ``Spent`` once so many numbers are used up.

    ``tell`` hears now and then how far that is.
    """
    token = _budget.set(_Budget(numbers, tell))
    try:
        yield
    finally:
        _budget.reset(token)


def spend(numbers: int, each: int = 1) -> None:
    """Count a call with so many numbers, at a price each. Costs nothing outside ``within``."""
    budget = _budget.get()
    if budget is not None:
        budget.spend(CALL + each * numbers)
