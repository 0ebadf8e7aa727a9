"""Sixteen bits: float16, and bfloat16, of which NumPy has no arrays.

A case of bfloat16 holds float32 arrays of numbers that bfloat16 has, and PyTorch's tensors are made
of them where a function is called. What is right is computed in float64 from the same numbers.

With three digits, or two, a bound of the usual 32 units would let a wrong one pass. Right functions
stay below 2 units where they add in float32, as PyTorch does; who adds in sixteen bits is further
off, and so, mostly, is the reference when it runs in them.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.values import in_layout, layout_of

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
ACCEPT = 3.0
"""Right up to here, in units of eps ..."""
RATIO = 2.0
"""... or up to this many times the reference's own error in the same sixteen bits ..."""
CAP = 6.0
"""... but never beyond: a fifth off in the largest entry is about 10."""
REACH = 4.0
"""How far off, in eps, the inputs are on which a larger error is looked at again."""
SCATTER = 2.0
"""The function's own scatter makes the unit so many times larger, at most, unless it is all there
is: errors whose mean is less than half of it are rounding, of terms that cancel."""
LOST = 1000.0
"""Units that no rounding of its own steps explains: they would be 8 times its terms in bfloat16."""
LARGEST = 100.0
"""Of the numbers that are drawn: float16 ends at 65504, and a square should not."""


def numpy_dtype(dtype: Any) -> np.dtype:
    """Of the arrays of a case that is checked in ``dtype``."""
    return np.dtype(np.float32 if dtype == "bfloat16" else dtype)


def in_bfloat16(case: Case) -> Case:
    """The case with every number rounded to one of bfloat16, in the layout that it has."""
    rounded = case.with_inputs({n: _rounded(a) for n, a in case.inputs.items()})
    return rounded.with_upstream({n: _rounded(a) for n, a in case.upstream.items()})


def _rounded(array: Array) -> Array:
    if not array.size:
        return array
    single = np.array(array, np.float32, order="C")
    bits = single.view(np.uint32).astype(np.uint64)
    bits = np.asarray((bits + np.uint64(0x7FFF) + ((bits >> 16) & 1)) & np.uint64(0xFFFF0000))
    short = bits.astype(np.uint32).view(np.float32).astype(array.dtype).reshape(array.shape)
    short = np.where(np.isfinite(array), short, array)
    return (
        array
        if np.array_equal(short, array, equal_nan=True)
        else in_layout(short, layout_of(array))
    )


def accepts(ours: float, reference: float) -> bool:
    """Whether an error is right, given the reference's own on the same case."""
    return ours <= ACCEPT or ours <= min(RATIO * reference, CAP)


def with_scatter(scale: Array, errors: Array) -> Array:
    """The unit of each entry, given the function's errors on inputs near by, trial by trial."""
    if not len(errors):
        return scale
    mean = errors.mean(axis=0)
    scatter = np.abs(errors - mean).max(axis=0)
    most = np.where(np.abs(mean) < scatter / 2, scatter, SCATTER * scale)
    return np.asarray(np.maximum(scale, np.minimum(scatter, most)))
