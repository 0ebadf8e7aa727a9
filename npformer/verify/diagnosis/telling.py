"""Which of several cases to look at first: one where different mistakes give different results.

With one class a softmax's gradient is 0, and with one row a sum is its only term: there many
mistakes give the same wrong number. The smallest case shows that something is wrong; what, a case
with several of everything shows better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npformer.cards.case import Array, Case

PLENTY = 2000
"""Numbers in a case beyond which it is rather slow than telling."""


class Seen(NamedTuple):
    """Cases that have been looked at."""

    failing: Sequence[Case] = ()
    passing: Sequence[Case] = ()


NOTHING = Seen()


def most_telling(cases: Sequence[Case]) -> list[Case]:
    """The same cases, the most telling first."""
    return sorted(cases, key=_hidden)


def _hidden(case: Case) -> tuple[int, ...]:
    """How much the case keeps to itself."""
    arrays = [*case.inputs.values(), *case.upstream.values()]
    coarse = case.dy.dtype != np.float64
    return (
        sum(not a.size for a in arrays) + (case.size > PLENTY),
        sum(length == 1 for a in arrays for length in a.shape),
        sum(not _generic(a) for a in arrays),
        coarse + sum(not a.flags.c_contiguous for a in arrays),
        case.size,
    )


def _generic(array: Array) -> bool:
    """Whether the numbers differ from one another, and are neither tiny nor huge."""
    if not array.size or not np.isfinite(array).all():
        return False
    sizes = np.abs(array)
    apart = np.unique(array).size == array.size
    return bool(apart and sizes.max() < 100 and sizes.max() > 0.01 and sizes.min() > 0)
