r"""Convolution over time: a linear map of every K neighbouring positions.

Shapes      x : (B, T, I)    weight : (O, I, K)    bias : (O,)    y : (B, L, O)
            windows : (B, L, I, K)

            K is the width, stride the step from one window to the next, and padding the number of
            zeros on each side, or (left, right). L = (T + left + right - K) // stride + 1.

Forward     windows_blik = x_b(stride l + k - left)i   0 outside of x
            y            = windows weight^T + bias     over i and k

Backward    The product is a linear map (linear.py) of I K inputs:

                dwindows = dy weight
                dweight  = dy^T windows
                dbias    = sum of dy over b and l

            A position of x is in up to K windows and gets the sum of their gradients:

                dx_bti = sum of dwindows_blik over l and k with stride l + k - left = t

Reading     As the windows are made by reading, dx is made by adding: K shifted sums, each of whole
            windows. With stride 1 that is a convolution too, with the weight turned round; with a
            larger stride, positions are passed over, and those behind the last window, which no
            window holds, get 0. Weights are shared over time, so dweight is a sum over l.

            Nothing is turned round in the forward: it is what signal processing calls correlation,
            as in every library of this field.

            Whisper's front is two of these of width 3, with padding 1, the second with stride 2, so
            that 3,000 frames become 1,500 positions. padding = (K - 1, 0) is causal.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array, summed_rows
from npformer.seam import op


class Conv1dCache(NamedTuple):
    windows: Array | None  # (B, L, I, K); None where the weight is a constant
    weight: Array  # (O, I, K)
    has_bias: bool
    length: int  # T
    stride: int
    padding: tuple[int, int]


def sides(padding: int | tuple[int, int]) -> tuple[int, int]:
    """The zeros on the left and on the right. Raises ``ConfigError`` for fewer than 0."""
    left, right = (padding, padding) if isinstance(padding, int) else padding
    if left < 0 or right < 0:
        raise ConfigError(f"padding is {padding}; it must be 0 or more on each side")
    return left, right


def windows_of(x: Array, width: int, stride: int, padding: tuple[int, int]) -> Array:
    """x (B, T, I) -> (B, L, I, width).

    Raises ``ConfigError`` for a stride below 1, ``ShapeError`` where no window fits.
    """
    if stride < 1:
        raise ConfigError(f"stride is {stride}; it must be 1 or more")
    padded = np.pad(x, ((0, 0), padding, (0, 0)))  # (B, left + T + right, I)
    if padded.shape[1] < width:
        raise ShapeError(
            f"x has {x.shape[1]} positions and padding {sum(padding)}, which is less than one "
            f"window of {width}; give more positions or more padding"
        )
    return sliding_window_view(padded, width, axis=1)[:, ::stride]


@op
def conv1d_forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> tuple[Array, Conv1dCache]:
    """x (B, T, I), weight (O, I, K), bias (O,) or None -> y (B, L, O), cache.

    Raises ``ConfigError`` for a stride below 1 or a padding below 0, ``ShapeError`` where no window
    fits.
    """
    padding = sides(padding)
    windows = windows_of(x, weight.shape[2], stride, padding)
    y = _flat(windows) @ weight.reshape(len(weight), -1).T  # (B L, O)
    if bias is not None:
        y += bias
    cache = Conv1dCache(windows, weight, bias is not None, x.shape[1], stride, padding)
    return y.reshape(*windows.shape[:2], len(weight)), cache


@op
def conv1d_backward(dy: Array, cache: Conv1dCache) -> tuple[Array, Array | None, Array | None]:
    """dy (B, L, O) -> dx (B, T, I), dweight (O, I, K) or None, dbias (O,) or None."""
    windows, weight, has_bias, length, stride, (left, right) = cache
    b, count, o = dy.shape
    i, width = weight.shape[1:]
    dy = dy.reshape(b * count, o)
    dwindows = (dy @ weight.reshape(o, -1)).reshape(b, count, i, width)
    dweight = None if windows is None else (dy.T @ _flat(windows)).reshape(weight.shape)
    dbias = summed_rows(dy) if has_bias else None
    dpadded = np.zeros((b, left + length + right, i), dy.dtype)
    for k in range(width):
        dpadded[:, k : k + stride * (count - 1) + 1 : stride] += dwindows[..., k]
    return dpadded[:, left : left + length], dweight, dbias


def _flat(windows: Array) -> Array:
    """(B, L, I, K) -> (B L, I K)."""
    b, count, i, width = windows.shape
    return windows.reshape(b * count, i * width)
