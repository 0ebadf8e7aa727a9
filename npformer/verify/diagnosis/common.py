"""What the cases that fail have in common, and those that pass have not.

A feature counts if every failing case has it, if that would hardly be chance, and if it is seen to
matter: the same case without it passes, and one that passes fails when given it.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from npformer.cards.case import Case
from npformer.verify.component import Component
from npformer.verify.diagnosis.features import Change, Feature, features
from npformer.verify.diagnosis.lengths import lengths
from npformer.verify.diagnosis.telling import Seen, most_telling

CHANCE = 1e-3
"""Of all features together, that one is shared by the failing cases by chance."""
ENOUGH = 3
"""Passing cases without the feature, and trials of giving it, at least."""
TRIALS = 5
CANDIDATES = 16
SECONDS = 2.0
"""Of this process's own time, for trials."""

Fails = Callable[[Case], bool | None]
"""Whether the implementation is wrong on a case; None if it does not take it."""


class Condition(NamedTuple):
    """Where a result is wrong, and only there."""

    said: str
    failing: int
    passing_with: int
    passing_without: int
    weak: bool
    """See ``Feature``."""

    def __str__(self) -> str:
        those = (
            "the failing case has"
            if self.failing == 1
            else f"all {self.failing} failing cases have"
        )
        also = f", {self.passing_with} with it" if self.passing_with else ""
        return f"only where {self.said}: {those} it; {self.passing_without} without it pass{also}"


class _Candidate(NamedTuple):
    feature: Feature
    passing_with: int
    passing_without: int
    chance: float


def condition(component: Component, seen: Seen, fails: Fails) -> Condition | None:
    """The feature on which it depends whether a case fails; None if there is none to be sure of."""
    failing = _alike(seen.failing)
    others = _alike([*failing[:1], *seen.passing])[1:]
    passing = [c for c in others if c.size and any(dy.any() for dy in c.upstream.values())]
    if not failing or len(passing) < ENOUGH:
        return None
    candidates = _shared(component, failing, passing)
    end = time.process_time() + SECONDS
    best: tuple[tuple[bool, int], _Candidate] | None = None
    for candidate in candidates[:CANDIDATES]:
        if time.process_time() > end:
            break
        if best is not None and best[0][0] and candidate.passing_with > best[0][1]:
            break  # it is sufficient, and of those that are, the tightest
        causes = _tried(candidate, failing, passing, fails)
        if causes is None:
            continue
        rank = (causes, candidate.passing_with)
        if best is None or (not rank[0], rank[1]) < (not best[0][0], best[0][1]):
            best = rank, candidate
    if best is None:
        return None
    found = best[1]
    feature = found.feature
    counts = (len(failing), found.passing_with, found.passing_without)
    return Condition(feature.said, *counts, feature.weak)


def _alike(cases: Sequence[Case]) -> list[Case]:
    """Those that have the first one's arrays."""
    return [c for c in cases if c.inputs.keys() == cases[0].inputs.keys()]


def _shared(component: Component, failing: list[Case], passing: list[Case]) -> list[_Candidate]:
    """What all failing cases share, the tightest first."""
    found, count = [], 0
    for feature in _all_features(component, failing, passing):
        count += 1
        if not all(map(feature.holds, failing)):
            continue
        share = sum(map(feature.holds, passing))
        if len(passing) - share >= ENOUGH:
            chance = _by_chance(len(failing), share, len(passing))
            found.append(_Candidate(feature, share, len(passing) - share, chance))
    found = [c._replace(chance=c.chance * count) for c in found]
    return sorted(found, key=lambda c: c.passing_with)


def _all_features(
    component: Component, failing: list[Case], passing: list[Case]
) -> Iterator[Feature]:
    every = [*failing, *passing]
    return itertools.chain(features(every), lengths(component, failing, passing))


def _by_chance(failing: int, passing_with: int, passing: int) -> float:
    """That all failing cases are among those with the feature, if it had no part in it."""
    share, total = failing + passing_with, failing + passing
    return math.exp(sum(math.log((share - i) / (total - i)) for i in range(failing)))


def _tried(
    candidate: _Candidate, failing: list[Case], passing: list[Case], fails: Fails
) -> bool | None:
    """Whether the feature alone makes cases fail; None if it is not to be believed."""
    feature = candidate.feature
    removed = _outcomes(most_telling(failing), feature.without, fails)
    if any(removed):
        return None
    lacking = [case for case in passing if not feature.holds(case)]
    given = _outcomes(most_telling(lacking), feature.given, fails)
    causes = len(given) >= ENOUGH and sum(given) > len(given) / 2
    unlikely = candidate.chance < CHANCE
    if removed and (causes or (unlikely and len(removed) > 1 and (any(given) or not given))):
        return causes
    # Not to be tried, but hardly chance: as sharp as it can be, and seen often.
    if not removed and not given and candidate.chance < CHANCE / 100 and not candidate.passing_with:
        return False
    return None


def _outcomes(cases: Sequence[Case], change: Change, fails: Fails) -> list[bool]:
    """For some changed cases, whether they fail."""
    found: list[bool] = []
    for case in cases[: 3 * TRIALS]:
        other = change(case)
        outcome = None if other is None else fails(other)
        if outcome is not None:
            found.append(outcome)
        if len(found) == TRIALS:
            break
    return found
