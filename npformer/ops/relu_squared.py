r"""ReLU squared (So et al., 2021, "Primer", arXiv:2109.08668).

Shapes      x, y, h, dy, dx : any, all the same

Forward     h = max(x, 0)
            y = h^2

Backward    The chain rule through the square, 2h, and through the ReLU, 1 where x > 0. Elsewhere h
            is 0 already, so no mask is needed:

                dx = dy * 2h

Reading     The slope grows with the input, without a bound, and meets 0 at x = 0: unlike ReLU's
            derivative, this one is continuous, and there is no convention to choose. A unit that is
            off gets no gradient, as in ReLU.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class ReluSquaredCache(NamedTuple):
    h: Array  # (...)


@op
def relu_squared_forward(x: Array) -> tuple[Array, ReluSquaredCache]:
    """x (...) -> y (...), cache."""
    h = np.maximum(x, 0)
    return np.square(h), ReluSquaredCache(h)


@op
def relu_squared_backward(dy: Array, cache: ReluSquaredCache) -> Array:
    """dy (...) -> dx (...)."""
    return dy * (2 * cache.h)
