"""Suites that repeat one long proof, mostly over every wrong version, and the share that CI runs.

Where NPFORMER_QUICK is 1, as in CI, what is marked ``exhaustive`` is left out; ``make test`` runs
all of it. Every wrong version and every wrong submission is caught in CI too (test_mutants.py,
test_submissions.py): the share is of those that are then named, shrunk, planted or diagnosed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

QUICK = os.environ.get("NPFORMER_QUICK") == "1"


def share(every: Iterable[T], kind: Callable[[T], Any], one_in: int) -> list[T]:
    """One in so many of each kind, and of each the first."""
    met: Counter[Any] = Counter()
    found = []
    for each in every:
        if met[kind(each)] % one_in == 0:
            found.append(each)
        met[kind(each)] += 1
    return found


def shared(every: Iterable[T], kind: Callable[[T], Any], one_in: int) -> list[Any]:
    """All of ``every``, for ``parametrize``; those beyond the share are marked."""
    every = list(every)
    kept = share(every, kind, one_in)
    return [e if e in kept else pytest.param(e, marks=pytest.mark.exhaustive) for e in every]


def in_share(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Those to run here, and those to leave out."""
    out = [item for item in items if QUICK and item.get_closest_marker("exhaustive")]
    return [item for item in items if item not in set(out)], out
