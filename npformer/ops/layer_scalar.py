r"""A layer scalar: all that leaves a layer is multiplied by a number of the layer's own (Gemma 4).

Shapes      x, y, dy, dx : (..., D)    weight, dweight : (1,)

Forward     y = weight * x                             x is the stream with all of its branches

Backward    y is linear in each of the two:

                dx      = weight * dy
                dweight = sum of dy * x over every axis

Reading     The factor is on the skip path. In a stack each branch reaches the end times the product
            of the factors of its own layer and of all behind it, and so does every gradient on its
            way down: with factors below 1 the first layers' shares fade, and what the stream
            collects stays small. A factor of a branch (residual.py) leaves the skip path at 1.

            A pre-norm layer reads the norm of the stream, which no factor changes. So the factor
            decides how much later branches weigh beside what is there.

            In Gemma 4's files it is a number of its own kind: stored, and given no gradient by
            whoever trains the model further. Then x is not kept.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, summed_rows
from npformer.seam import op


class LayerScalarCache(NamedTuple):
    x: Array | None  # (..., D); None where the weight's gradient is not asked for
    weight: Array  # (1,)


@op
def layer_scalar_forward(x: Array, weight: Array) -> tuple[Array, LayerScalarCache]:
    """x (..., D), weight (1,) -> y (..., D), cache."""
    return x * weight, LayerScalarCache(x, weight)


@op
def layer_scalar_backward(dy: Array, cache: LayerScalarCache) -> tuple[Array, Array | None]:
    """dy (..., D) -> dx (..., D), dweight (1,), or None where x is not kept."""
    x, weight = cache
    dx = dy * weight
    if x is None:
        return dx, None
    each = np.vecdot(x, dy).reshape(math.prod(dy.shape[:-1]), 1)
    return dx, summed_rows(each)
