"""What the oracles say of a case, kept while many versions of one component meet the same cases.

The wrong versions on a card are each tried on the cases that the same seed draws. Reference, twin
and scales are the card's, whatever stands in the implementation's place, so they are asked once.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from npformer.cards.case import Case
from npformer.verify.component import Component

T = TypeVar("T")


class _Kept:
    """Of one card: those of a whole model's cases are too large to keep all."""

    card: Any = None

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}

    def get(self, card: Any, key: Any, compute: Callable[[], T]) -> T:
        if card is not self.card:
            self.card, self.answers = card, {}
        if key not in self.answers:
            self.answers[key] = compute()
        answer: T = self.answers[key]
        return answer


_keeping: ContextVar[_Kept | None] = ContextVar("keeping", default=None)


@contextmanager
def keeping() -> Iterator[None]:
    """In the block, an oracle that is asked the same again has its answer at hand."""
    token = _keeping.set(_Kept())
    try:
        yield
    finally:
        _keeping.reset(token)


def kept(component: Component, oracle: str, case: Case, compute: Callable[[], T]) -> T:
    """``compute()``, or what it was for another version of the same card, on an equal case."""
    answers, card = _keeping.get(), getattr(component, "card", None)
    if answers is None or card is None:
        return compute()
    return answers.get(card, (oracle, case.key), compute)
