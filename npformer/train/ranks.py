"""The ranks of a run: processes that train one model together, each with its share of a batch.

The loop knows no more of them than this. ``Alone`` is the one process of an ordinary run; those of
``torchrun`` are in ``torch_ref/train/ranks.py``.
"""

from __future__ import annotations

from typing import Any, Protocol


class Ranks(Protocol):
    """One process among ``size``; every method is collective, called by all in the same order."""

    rank: int
    """This process's number, from 0. Rank 0 alone writes and prints."""
    size: int
    """How many there are."""

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all ranks, in float64."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """Every rank's (small, picklable) value, by rank, on every rank."""
        ...

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        ...


class Alone:
    """The one rank of a run in one process."""

    rank = 0
    size = 1

    def sum(self, *values: float) -> list[float]:
        """The values."""
        return list(values)

    def gather(self, value: Any) -> list[Any]:
        """The value, in a list."""
        return [value]

    def barrier(self) -> None:
        """Nobody to wait for."""
