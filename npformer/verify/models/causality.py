"""Whether a model is meant to be causal, where nobody says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.question import Question, size

LENGTH = 12
"""Longer than a leak of one position reaches through a few layers."""
DRAWS = 3


class Causality(NamedTuple):
    causal: bool | None
    because: str


def found(q: Question) -> Causality:
    """Asked of the model itself: which positions reach which outputs.

    No later one: it is causal. As many later ones as earlier ones, in mirror image: it is not.
    Anything between is a causal model that leaks, and is asked as one.
    """
    reach = reached(q)
    if reach is None:
        return Causality(None, "not asked: no length of two positions or more runs")
    n = len(reach)
    later = int(np.triu(reach, 1).sum())
    if not np.tril(reach, -1).any() and not later:
        return Causality(True, "found: no position reaches another's output")
    if later == 0:
        return Causality(True, "found: no later position reaches an earlier output")
    if np.array_equal(reach, reach.T):
        return Causality(False, "no: outputs depend on later positions as they do on earlier ones")
    return Causality(
        True,
        f"taken for causal: {later} of {n * (n - 1) // 2} later positions reach an earlier output; "
        "say causal=False if they may",
    )


def reached(q: Question) -> Array | None:
    """(T, T): whether input position j changes output position i, in evaluation."""
    fit = [n for n in q.lengths if 2 <= n <= LENGTH] or [n for n in q.lengths if n >= 2][:1]
    if not fit:
        return None
    n = max(fit)
    reach = np.zeros((n, n), bool)
    for draw in range(DRAWS):
        base, fresh = q.draw(1, n, draw), q.draw(1, n, draw, 1)
        y = q.run(base).y
        for j in range(n):
            other = q.run(q.streams.changed(base, fresh, j)).y
            reach[:, j] |= [q.units(y[:, i], other[:, i], size(y)) > q.bound for i in range(n)]
    return reach
