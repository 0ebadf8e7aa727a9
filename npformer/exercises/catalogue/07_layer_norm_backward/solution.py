"""Exercise 07: the backward of layer norm."""

import numpy as np


def layer_norm_forward(x, weight, bias, eps=1e-5):
    """x (..., D), weight (D,), bias (D,) -> y (..., D), cache."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)  # (..., 1)
    rstd = 1 / np.sqrt(variance + eps)  # (..., 1)
    xhat = centred * rstd
    y = xhat * weight + bias
    cache = (xhat, rstd, weight)
    return y, cache


def layer_norm_backward(dy, cache):
    """dy (..., D) -> dx (..., D), dweight (D,), dbias (D,)."""
    xhat, rstd, weight = cache
    # weight stands between xhat and y, so it belongs to what arrives at xhat: inside both means.
    g = dy * weight  # (..., D)
    # The three paths from x_j to xhat_i: directly, through mu, through rstd. The delta picks g; the
    # 1/D of the others makes means over the row. What a shift or a stretch of the row could do is
    # taken out, because xhat does not feel either.
    mean_g = g.mean(axis=-1, keepdims=True)  # (..., 1)
    mean_gx = (g * xhat).mean(axis=-1, keepdims=True)  # (..., 1)
    dx = rstd * (g - mean_g - xhat * mean_gx)
    # One weight and one bias serve every row of every sentence: a sum over all leading axes. It is
    # of dy and not of g, as weight is not a factor of its own slope.
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * xhat).sum(axis=rows), dy.sum(axis=rows)
