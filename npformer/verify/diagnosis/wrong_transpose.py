"""J dy where J^T dy belongs: the derivative forwards, as of a rotation that is not turned back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from npformer.cards.case import Array, is_output
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake

MOST = 200
"""Entries of dy, each of which is a row of J and costs a backward pass."""


def wrong_transpose(name: str) -> Iterator[Mistake]:
    """For the gradient of an input of the output's shape."""
    if not is_output(name):
        said = "{name} is J dy where J^T dy belongs, J being the derivative of y by this input"
        yield Mistake(said, _forwards)


def _forwards(evidence: Evidence, name: str) -> Array | None:
    dy, right = evidence.case.dy, evidence.right[name]
    if evidence.case.more or right.shape != dy.shape or not 1 < dy.size <= MOST:
        return None
    if not (np.isfinite(dy).all() and np.isfinite(right).all()):
        return None
    if name not in (rows := evidence.once("rows of J", lambda: _rows(evidence))):
        return None
    found = np.array([np.sum(row * dy) for row in rows[name]])
    return np.asarray(found.reshape(dy.shape), right.dtype)


def _rows(evidence: Evidence) -> dict[str, list[Array]]:
    found: dict[str, list[Array]] = {}
    for i in range(evidence.case.dy.size):
        one = np.zeros_like(evidence.case.dy, order="C")
        one.flat[i] = 1
        for name, row in evidence.right_for(one).items():
            found.setdefault(name, []).append(row.astype(np.float64))
    return found
