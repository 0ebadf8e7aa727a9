"""Invariants of what is linear in each of several inputs.

An output of degree 1 in a has <da, a> = <dy, y> (Euler), so the inner products of two such inputs
with their gradients are one number, whatever autograd says of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result
from npformer.cards.invariant import Finding

Look = Callable[[Any, Case, Result, Result], Iterator[Finding]]

LARGEST = 1e15
"""Products of larger numbers would overflow float32."""


def overflows(case: Case) -> bool:
    """Whether products of the case's numbers may be past the end of float32."""
    every = (*case.inputs.values(), case.dy)
    return max(np.abs(a).max(initial=0.0) for a in every) > LARGEST


def same_degree(first: str, second: str, axes: tuple[Any, Any] = (None, None)) -> Look:
    """<dfirst, first> = <dsecond, second>, summed over these axes; over all unless given."""

    def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        if overflows(case):
            return
        products, sizes = [], []
        for name, along in zip((first, second), axes, strict=True):
            a = case.inputs[name]
            products.append((result[f"d{name}"].astype(np.float64) * a).sum(along))
            sizes.append((scales[f"d{name}"] * np.abs(a)).sum(along))
        yield Finding(products[0], products[1], sizes[0] + sizes[1])

    return look
