"""Of several outputs, one's upstream gradient reached the gradient not at all, or wrongly.

A backward is linear in its upstream gradients, so the right gradient is a sum of shares, one an
output: what it is where the others' upstream gradients are zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from npformer.cards.case import Array
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake

Predict = Callable[[Evidence, str], Array | None]
TIMES = {"twice": 2.0, "with the wrong sign": -1.0, "by half": 0.5}


def wrong_outputs(evidence: Evidence) -> Iterator[Mistake]:
    """A share that is missing, alone, exchanged with another's, or counted wrongly."""
    names = list(evidence.upstream)
    if len(names) < 2:
        return
    for i, dy in enumerate(names):
        yield Mistake(f"{{name}} lacks the share of {dy}", _times(i, 0.0))
        if len(names) > 2:
            yield Mistake(f"{{name}} holds the share of {dy} alone", _alone(i))
        for said, factor in TIMES.items():
            yield Mistake(f"{{name}} has the share of {dy} {said}", _times(i, factor))
    for i, j in itertools.combinations(range(len(names)), 2):
        both = f"{names[i]} and {names[j]}"
        yield Mistake(f"{{name}} has {both} in each other's place", _for({i: j, j: i}))
        for a, b in ((i, j), (j, i)):
            yield Mistake(f"{{name}} has {names[a]} where {names[b]} belongs", _for({b: a}))


def _share(evidence: Evidence, i: int) -> dict[str, Array]:
    """The right gradients for one upstream gradient and zeros for the others."""
    dys = list(evidence.upstream.values())
    kept = [dy if i == j else np.zeros_like(dy) for j, dy in enumerate(dys)]
    found: dict[str, Array] = evidence.once(("share", i), lambda: evidence.right_for(*kept))
    return found


def _times(i: int, factor: float) -> Predict:
    def predict(evidence: Evidence, name: str) -> Array | None:
        right, share = evidence.right[name], _share(evidence, i)[name]
        return np.asarray(right + (factor - 1) * share, right.dtype)

    return predict


def _alone(i: int) -> Predict:
    return lambda evidence, name: _share(evidence, i)[name]


def _for(places: dict[int, int]) -> Predict:
    """The right gradient for upstream gradients of which some stand elsewhere."""

    def predict(evidence: Evidence, name: str) -> Array | None:
        dys = list(evidence.upstream.values())
        moved = [dys[places.get(i, i)] for i in range(len(dys))]
        if any(a.shape != b.shape for a, b in zip(moved, dys, strict=True)):
            return None
        key = ("moved", *places.items())
        return evidence.once(key, lambda: evidence.right_for(*moved)).get(name)

    return predict
