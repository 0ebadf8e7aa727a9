"""A mistake in one gradient, of a kind that any gradient can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from npformer.cards.case import Array
from npformer.verify.diagnosis.evidence import Evidence


@dataclass(frozen=True)
class Mistake:
    """A mistake in one result, whichever it is."""

    sentence: str
    """With ``{name}`` for the result."""
    predict: Callable[[Evidence, str], Array | None]
    """What the result would be; None where the mistake cannot be made."""
    fitted: bool = False
    """Whether a number in it is fitted to the case: what has none is likelier."""
