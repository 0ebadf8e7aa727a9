"""How the difference between two runs of one model grows, call by call.

Each run goes its own way here. The difference of two arrays is its root mean square as a part of
the reference's: 1e-16 is rounding in float64, 1 is as large as the thing itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import Trace, Visit


class Growth(NamedTuple):
    """One call of the suspect beside the same call of the reference."""

    path: str
    method: str
    number: int
    forward_local: float
    """The worst in rounding units of what this call itself does with the inputs that it saw."""
    forward_within: float
    """The same, or that of a call inside it if it is more."""
    forward: float
    """Of the output, since the beginning of the run."""
    backward_local: float
    backward_within: float
    backward: float
    """Of the gradients that it sends on, or of the one that arrives where it sends none."""
    backward_order: int
    """The tick at which its backward began; 0 where there was none."""


def growth(suspect: Trace, own: Trace, judge: Verdicts) -> list[Growth]:
    """Of every call that both make, in the order of the forward."""
    within = _within(suspect, judge.forward), _within(suspect, judge.backward)
    rows = []
    for key, visits in suspect.by_key.items():
        theirs = own.by_key.get(key, [])
        extra = max(0, len(visits) - len(theirs))
        for visit, other in zip(visits[extra:], theirs, strict=False):
            rows.append((visit.begin, _row(visit, other, judge, within)))
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def _within(suspect: Trace, local: dict[int, float]) -> dict[int, float]:
    """By id of the visit, the largest of its own and of all visits inside it."""
    found = dict(local)
    for visit in reversed(suspect.visits):  # who is called comes after who calls
        if visit.parent is not None:
            mine, above = found.get(id(visit), 0.0), found.get(id(visit.parent), 0.0)
            found[id(visit.parent)] = max(mine, above)
    return found


def _row(visit: Visit, other: Visit, judge: Verdicts, within: Any) -> Growth:
    mine, theirs = visit.back, other.back
    backward = np.inf if (mine is None) != (theirs is None) else 0.0
    if mine is not None and theirs is not None:
        sent: list[tuple[Any, Any]] = [
            (a, b)
            for a, b in zip(mine.gradients, theirs.gradients, strict=False)
            if a is not None and b is not None
        ]
        # All together: a gradient that is zero but for rounding is nothing beside the others.
        backward = _joint(sent or [(mine.dy, theirs.dy)])
    return Growth(
        visit.site.path,
        visit.site.operation,
        visit.number,
        judge.forward.get(id(visit), 0.0),
        within[0].get(id(visit), 0.0),
        difference(visit.output, other.output),
        judge.backward.get(id(visit), 0.0),
        within[1].get(id(visit), 0.0),
        backward,
        mine.begin if mine is not None else 0,
    )


def difference(a: Any, b: Any) -> float:
    """|a - b| / |b|, in root mean squares; infinite where shapes differ."""
    return _joint([(a, b)])


def _joint(pairs: list[tuple[Any, Any]]) -> float:
    apart = size = 0.0
    for a, b in pairs:
        if np.shape(a) != np.shape(b):
            return float(np.inf)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        with np.errstate(all="ignore"):
            # What both have, be it infinite or no number, is no difference.
            gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, a - b)
            apart, size = apart + np.square(gap).sum(), size + np.square(b).sum()
    if np.isnan(apart):
        return float(np.inf)
    return float(np.sqrt(apart / size)) if size else float(apart > 0)
