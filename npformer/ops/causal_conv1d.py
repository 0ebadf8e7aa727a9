r"""A short causal convolution: every channel by itself, over the last K positions.

Shapes      x, y : (B, T, D)    weight : (D, K)    bias : (D,)

Forward     y_btd = sum_k weight_dk x_b(t - K + 1 + k)d + bias_d         x is 0 before its start

Backward    y_btd holds x_bsd with the factor weight_d(s - t + K - 1), for t from s to s + K - 1.
            With s = t - K + 1 + k,

                dx_bsd     = sum_k weight_dk dy_b(s + K - 1 - k)d        dy is 0 behind its end
                dweight_dk = sum_bt dy_btd x_b(t - K + 1 + k)d
                dbias_d    = sum_bt dy_btd

Reading     The same sum as conv1d.py's with one input and one output a channel: D K weights and not
            D D K, and no product of matrices. The last weight meets the position itself, the first
            the oldest. dx is the same sum from the other side: what a position gave to the K - 1
            after it comes back from them, so the backward looks ahead as the forward looks back.

            State-space and delta-rule layers mix neighbours by it, with K = 4, before they read
            the past as a whole.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows, summed_rows
from npformer.seam import op


class CausalConv1dCache(NamedTuple):
    x: Array | None  # (B, T, D); None where the weight is a constant
    weight: Array  # (D, K)
    has_bias: bool


@op
def causal_conv1d_forward(
    x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, CausalConv1dCache]:
    """x (B, T, D), weight (D, K), bias (D,) or None -> y (B, T, D), cache."""
    length, width = x.shape[1], weight.shape[1]
    y = np.zeros(x.shape, x.dtype)
    for k in range(width):
        back = width - 1 - k
        met = max(length - back, 0)  # positions that something so far ahead looks back on
        y[:, back:] += weight[:, k] * x[:, :met]
    if bias is not None:
        y += bias
    return y, CausalConv1dCache(x, weight, bias is not None)


@op
def causal_conv1d_backward(
    dy: Array, cache: CausalConv1dCache
) -> tuple[Array, Array | None, Array | None]:
    """dy (B, T, D) -> dx (B, T, D), dweight (D, K) or None, dbias (D,) or None."""
    x, weight, has_bias = cache
    length, width = dy.shape[1], weight.shape[1]
    dx = np.zeros(dy.shape, weight.dtype)
    dweight = np.zeros(weight.shape, weight.dtype)
    for k in range(width):
        ahead = width - 1 - k
        met = max(length - ahead, 0)
        dx[:, :met] += weight[:, k] * dy[:, ahead:]
        if x is not None:
            product = rows(dy[:, ahead:] * x[:, :met])  # (R, D)
            dweight[:, k] = summed_rows(product)
    dy = rows(dy)  # (R, D)
    dbias = summed_rows(dy) if has_bias else None
    return dx, None if x is None else dweight, dbias
