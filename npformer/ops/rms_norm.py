r"""RMS normalisation over the last axis (Zhang & Sennrich, 2019, arXiv:1910.07467).

Shapes      x, y, xhat : (..., D)    weight : (D,)    rstd : (..., 1)

Forward     rstd = 1 / sqrt(<x^2> + eps)               <.> is the mean over D
            xhat = x * rstd
            y    = xhat * weight

Backward    Let g = dL/dxhat = dy * weight. A row of x reaches xhat by two paths: directly, and
            through rstd. With r = rstd, differentiate (<x^2> + eps)^(-1/2):

                dr/dx_j = -1/2 r^3 2 x_j / D = -r^2 xhat_j / D

            so by the product rule on xhat_i = x_i r,

                dxhat_i/dx_j = r (delta_ij - xhat_i xhat_j / D)

            Contract with g over i:

                dx      = rstd * (g - xhat * <g * xhat>)
                dweight = sum of dy * xhat over every axis but D

Reading     This is layer norm (layer_norm.py) without its mean: a row is stretched to root mean
            square 1 and not shifted. So the part of g along xhat is removed, and the part along
            (1, ..., 1) is not. Turning the sign of a row turns y and dx.

            Weight and rounding: xhat is rounded to x's dtype and then multiplied, as in Llama.
            Where the squares overflow float32 they are summed in float64; PyTorch gives 0 there.

Chapter     walkthroughs/03_layer_norm.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows
from npformer.seam import op


class RmsNormCache(NamedTuple):
    xhat: Array  # (..., D)
    rstd: Array  # (..., 1)
    weight: Array  # (D,)


@op
def rms_norm_forward(x: Array, weight: Array, *, eps: float = 1e-5) -> tuple[Array, RmsNormCache]:
    """x (..., D), weight (D,) -> y (..., D), cache."""
    square = np.vecdot(x, x)[..., None] / x.shape[-1]
    if np.isinf(square).any():  # float32 squares overflow from 1e19 on
        square = np.square(x, dtype=np.float64).mean(axis=-1, keepdims=True)
    rstd = (1 / np.sqrt(square + eps)).astype(x.dtype)  # (..., 1)
    xhat = x * rstd
    return xhat * weight, RmsNormCache(xhat, rstd, weight)


@op
def rms_norm_backward(dy: Array, cache: RmsNormCache) -> tuple[Array, Array]:
    """dy (..., D) -> dx (..., D), dweight (D,)."""
    xhat, rstd, weight = cache
    g = dy * weight
    dx = rstd * (g - xhat * (np.vecdot(g, xhat)[..., None] / dy.shape[-1]))
    dy = rows(dy)  # (R, D)
    return dx, np.ones(len(dy), dy.dtype) @ (dy * rows(xhat))
