r"""Layer normalisation over the last axis (Ba, Kiros & Hinton, 2016).

Shapes      x, y, xhat : (..., D)    weight, bias : (D,)    mu, rstd : (..., 1)

Forward     mu   = <x>                                 <.> is the mean over D
            rstd = 1 / sqrt(<(x - mu)^2> + eps)        population variance
            xhat = (x - mu) * rstd
            y    = xhat * weight + bias

Backward    Let g = dL/dxhat = dy * weight. A row of x reaches xhat by three paths:
            directly, through mu, and through rstd. With r = rstd,

                dmu/dx_j = 1/D        dr/dx_j = -r^2 xhat_j / D

            (for dr, differentiate (<(x - mu)^2> + eps)^(-1/2): it is -r^3/2 times
            2 (x_j - mu) / D, the term through mu being zero because x - mu has mean zero).
            So, by the product rule on xhat_i = (x_i - mu) r,

                dxhat_i/dx_j = r (delta_ij - 1/D - xhat_i xhat_j / D)

            Contract with g over i; no D x D Jacobian is ever built:

                dx      = rstd * (g - <g> - xhat * <g * xhat>)
                dweight = sum of dy * xhat over every axis but D
                dbias   = sum of dy        over every axis but D

Reading     Shifting or stretching a row leaves y alone (up to eps), so the parts of g
            along (1, ..., 1) and along xhat carry no signal, and are removed.

            mu is rounded, so x - mu of a row of equal numbers need not be zero; at 1e30 what
            is left would look like variance. Centring twice makes it exactly zero. PyTorch
            gives 0 or NaN where the squares of float32 overflow; here they do not.

Chapter     walkthroughs/03_layer_norm.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows, summed_rows
from npformer.seam import op


class LayerNormCache(NamedTuple):
    xhat: Array  # (..., D)
    rstd: Array  # (..., 1)
    weight: Array | None  # (D,); None for 1, which has no gradient, and neither has the bias then


@op
def layer_norm_forward(
    x: Array, weight: Array, bias: Array, *, eps: float = 1e-5
) -> tuple[Array, LayerNormCache]:
    """x (..., D), weight (D,), bias (D,) -> y (..., D), cache."""
    d = x.shape[-1]
    xhat = x - _mean(x)
    xhat -= _mean(xhat)
    variance = np.vecdot(xhat, xhat)[..., None] / d
    if np.isinf(variance).any():  # float32 squares overflow from 1e19 on
        variance = np.square(xhat, dtype=np.float64).mean(axis=-1, keepdims=True)
    rstd = (1 / np.sqrt(variance + eps)).astype(x.dtype)  # (..., 1)
    xhat *= rstd
    y = xhat * weight
    y += bias
    return y, LayerNormCache(xhat, rstd, weight)


@op
def layer_norm_backward(
    dy: Array, cache: LayerNormCache
) -> tuple[Array, Array | None, Array | None]:
    """dy (..., D) -> dx (..., D), dweight (D,), dbias (D,), or None for these two."""
    xhat, rstd, weight = cache
    g = dy if weight is None else dy * weight
    dx = xhat * -(np.vecdot(g, xhat)[..., None] / dy.shape[-1])
    dx += g
    dx -= _mean(g)
    dx *= rstd
    if weight is None:
        return dx, None, None
    dy = rows(dy)  # (R, D)
    return dx, summed_rows(dy * rows(xhat)), summed_rows(dy)


def _mean(x: Array) -> Array:
    """x (..., D) -> (..., 1); as a product with ones it is three times as fast as ``x.mean``."""
    d = x.shape[-1]
    return (x @ np.ones(d, x.dtype))[..., None] / d
