"""Which cases are looked at in extended precision too: those that are not large.

NumPy has no fast product of its long doubles: one of 256 x 256 by 256 x 256 takes 130 ms, and a
case asks for twelve. A large case is judged as tensors always are, whose widest dtype is float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Case

LARGE = 2**14
"""Numbers in a case of somebody's function, from which on float64 judges it alone."""


def is_large(case: Case) -> bool:
    """Whether extended precision would take too long."""
    return case.size > LARGE


def is_wide(dtype: Any) -> bool:
    """Whether a dtype has more digits than float64."""
    return bool(np.finfo(dtype).eps < np.finfo(np.float64).eps)


def wide_for(case: Case, widest: Any) -> Any:
    """Of what a function computes in at most, what it computes a case in."""
    return np.float64 if is_large(case) and is_wide(widest) else widest
