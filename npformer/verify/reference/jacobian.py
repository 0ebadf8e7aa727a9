"""The derivative of a forward entry by entry, from which the gradient for any dy follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray

MOST = 2**22
"""Entries of a Jacobian that are kept, at most: 32 MB."""


def jacobian(
    function: Callable[..., Array], arrays: Sequence[Array], step: float = 1e-5
) -> list[Array]:
    """For each array (N entries) the matrix (N, entries of y), by central differences in float64.

    Two evaluations an entry, as for the gradient of one dy.
    """
    arrays = [np.array(a, np.float64) for a in arrays]
    found = []
    for array in arrays:
        rows = []
        for i in np.ndindex(array.shape):
            at = array[i]
            array[i] = at + step
            above = np.ravel(function(*arrays)).copy()
            array[i] = at - step
            rows.append((above - np.ravel(function(*arrays))) / (2 * step))
            array[i] = at
        found.append(np.array(rows).reshape(array.size, -1))
    return found
