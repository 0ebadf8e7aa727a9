r"""L2 normalisation over the last axis: rows of length 1, whose products are cosines.

Shapes      x, y, dy, dx : (..., D)    length : (..., 1)

Forward     length = max(|x|, eps)                     |x|^2 is the sum of x^2 over D
            y      = x / length

Backward    Where |x| > eps, x reaches y_i = x_i / |x| by two paths, as a numerator and in the
            length. d|x|/dx_j = x_j / |x| = y_j, so

                dy_i/dx_j = (delta_ij - y_i y_j) / |x|

            Contract with dy over i:

                dx = (dy - y * sum_D(y * dy)) / length

            Where |x| <= eps the length is a constant, and the second term is not there.

Reading     Stretching a row changes nothing, so the part of dy along y is removed: dx lies in the
            plane that touches the sphere. RMS norm (rms_norm.py) is the same map, up to a factor
            sqrt(D) and where eps stands.

            A vector of a text with length 1 is moved towards those it should be like on the sphere
            alone: a loss of cosines can't be lowered by longer vectors.

            A row of zeros, as padding has, gives y = 0 and dx = dy / eps, which is PyTorch's too.

            Where the squares overflow float32 they are summed in float64; PyTorch gives 0 there.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op


class L2NormCache(NamedTuple):
    y: Array  # (..., D)
    length: Array  # (..., 1)
    constant: Array  # (..., 1) bool: where the length is eps


@op
def l2_norm_forward(x: Array, *, eps: float = 1e-12) -> tuple[Array, L2NormCache]:
    """x (..., D) -> y (..., D), cache."""
    square = np.vecdot(x, x)[..., None]
    if np.isinf(square).any():  # float32 squares overflow from 1e19 on
        square = np.square(x, dtype=np.float64).sum(axis=-1, keepdims=True)
    length = np.sqrt(square).astype(x.dtype)  # (..., 1)
    constant = length < eps
    length = np.where(constant, x.dtype.type(eps), length)
    y = x / length
    return y, L2NormCache(y, length, constant)


@op
def l2_norm_backward(dy: Array, cache: L2NormCache) -> Array:
    """dy (..., D) -> dx (..., D)."""
    y, length, constant = cache
    along = np.where(constant, 0, np.vecdot(y, dy)[..., None])
    return (dy - y * along) / length
