r"""RMS normalisation over the last axis (Zhang & Sennrich, 2019, arXiv:1910.07467).

Shapes      x, y, xhat : (..., D)    weight, scale : (D,)    rstd : (..., 1)

Forward     rstd  = 1 / sqrt(<x^2> + eps)              <.> is the mean over D
            xhat  = x * rstd
            scale = weight, or 1 + weight, or 1        with plus_one; without a weight
            y     = xhat * scale

Backward    Let g = dL/dxhat = dy * scale. A row of x reaches xhat by two paths: directly, and
            through rstd. With r = rstd, differentiate (<x^2> + eps)^(-1/2):

                dr/dx_j = -1/2 r^3 2 x_j / D = -r^2 xhat_j / D

            so by the product rule on xhat_i = x_i r,

                dxhat_i/dx_j = r (delta_ij - xhat_i xhat_j / D)

            Contract with g over i, and note that 1 + weight has the slope 1 in weight:

                dx      = rstd * (g - xhat * <g * xhat>)
                dweight = sum of dy * xhat over every axis but D

Reading     This is layer norm (layer_norm.py) without its mean: a row is stretched to root mean
            square 1 and not shifted. So the part of g along xhat is removed, and the part along
            (1, ..., 1) is not. Turning the sign of a row turns y and leaves dx as it is.

            1 + weight, Gemma's, makes 0 the weight that changes nothing, so that weight decay pulls
            towards it. Its backward is the same lines, for the cache holds the scale. A file of
            such weights read as plain ones has the right shapes and gives a wrong model.

            Order of rounding: xhat is rounded to x's dtype and then multiplied, as in Llama; Gemma
            multiplies in float32 and rounds once. In float32 and float64, which is all that
            these lines are for, the two differ by one rounding; in sixteen bits it shows.

            Where the squares overflow float32 they are summed in float64; PyTorch gives 0 there.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array, finite, rows, summed_rows
from npformer.seam import op


class RmsNormCache(NamedTuple):
    xhat: Array  # (..., D)
    rstd: Array  # (..., 1)
    scale: Array | None  # (D,): weight, or 1 + weight; None for 1


@op
def rms_norm_forward(
    x: Array, weight: Array | None = None, *, eps: float = 1e-5, plus_one: bool = False
) -> tuple[Array, RmsNormCache]:
    """x (..., D), weight (D,) or None -> y (..., D), cache.

    Raises ``ConfigError`` for ``plus_one`` without a weight.
    """
    if plus_one and weight is None:
        raise ConfigError("plus_one adds 1 to the weight, and there is none; give one, or leave it")
    square = np.vecdot(x, x)[..., None] / x.shape[-1]
    if not finite(square):  # float32 squares overflow from 1e19 on
        square = np.square(x, dtype=np.float64).mean(axis=-1, keepdims=True)
    rstd = (1 / np.sqrt(square + eps)).astype(x.dtype, copy=False)  # (..., 1)
    xhat = x * rstd
    scale = weight
    if weight is not None and plus_one:
        scale = 1 + weight
    return xhat if scale is None else xhat * scale, RmsNormCache(xhat, rstd, scale)


@op
def rms_norm_backward(dy: Array, cache: RmsNormCache) -> tuple[Array, Array | None]:
    """dy (..., D) -> dx (..., D), dweight (D,) or None."""
    xhat, rstd, scale = cache
    g = dy if scale is None else dy * scale
    dx = rstd * (g - xhat * (np.vecdot(g, xhat)[..., None] / dy.shape[-1]))
    if scale is None:
        return dx, None
    dy = rows(dy)  # (R, D)
    return dx, summed_rows(dy * rows(xhat))
