"""The order in which a weight lies in memory: row by row as it is trained, or column by column.

A product of a few rows with a weight (O, I) takes as long as its bytes take to come from memory.
Where the O numbers of one input lie side by side, BLAS adds up multiples of whole columns and reads
the weight from its first byte to its last; where they lie I numbers apart it makes O sums, a few of
them at a time, and reads in several places at once. docs/benchmarks.md has what that is worth.

Training keeps the order of the rows: a gradient comes in it, and an optimizer that adds the one to
the other should find both in one order.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.ops.array import Array

ROWS = 64
"""Rows that are copied at one time, so that those of their columns are still in the cache."""


def by_columns(weight: Array) -> Array:
    """weight (O, I) -> the same numbers (O, I), column by column in memory; itself if they are."""
    if weight.flags.f_contiguous or weight.strides[0] == weight.itemsize:  # or a part of such
        return weight
    columns = np.empty(weight.shape[::-1], weight.dtype)  # (I, O)
    for first in range(0, len(weight), ROWS):
        columns[:, first : first + ROWS] = weight[first : first + ROWS].T
    return columns.T
