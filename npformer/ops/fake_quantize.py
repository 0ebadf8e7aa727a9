r"""Fake quantisation: numbers on a grid of few, and a gradient as if they were not.

Shapes      x, y, q, dy, dx : (..., D)    scale, zero, dscale : any that broadcasts to x's

Forward     With the grid's integers from low to high, of which ``zero`` stands for 0,

                u = x / scale
                q = round(u) + zero                    half to even
                y = (clip(q, low, high) - zero) scale

            ``inside`` is where q was not clipped. Signed and with zero = 0 the grid is symmetric,
            else affine. A scale () is the tensor's, one of (O, 1) each row's.

Backward    round is flat, so that its derivative teaches nothing. The straight-through estimator
            (Bengio et al., 2013) puts 1 in its place: dq/du = 1 inside, 0 outside. Then with
            y = (q - zero) scale and du/dscale = -u / scale,

                dx     = dy inside
                dscale = sum of dy ((q - zero) - u)    inside
                              + dy (low or high - zero)    outside

            summed over all that share a scale (LSQ: Esser et al., 2020, arXiv:1902.08153). Who
            takes the scale for a constant leaves dscale.

Reading     The mask is made of the rounded number: what rounds to low or high is inside, though it
            may lie beyond by half a step. What is outside gets nothing, and cannot come back by
            itself. A mask without the two ends loses what sits on them (pytorch/ao#4806).

            None of this is a theorem. dx is not the derivative of y, which is 0; it is that of
            clip(x), and a choice that trains. dscale inside is the error of the rounding: where
            all x lie on the grid it is 0.

Chapter     walkthroughs/30_numbers_with_few_bits.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.ops.array import Array, sum_to
from npformer.seam import op


class FakeQuantizeCache(NamedTuple):
    inside: Array  # (..., D) bool
    slope: Array  # (..., D), of y by the scale
    shape: tuple[int, ...]  # of scale


@op
def fake_quantize_forward(
    x: Array, scale: Array, *, zero: Array | int = 0, low: int = -128, high: int = 127
) -> tuple[Array, FakeQuantizeCache]:
    """x (..., D), scale (...) -> y (..., D), cache.

    Raises ``ConfigError`` for a grid without numbers, one without its zero, or a scale that is not
    above 0, ``ShapeError`` for a scale that does not broadcast to x's shape.
    """
    _check(x, scale, zero, low, high)
    u = x / scale
    q = np.rint(u) + zero
    inside = (low <= q) & (q <= high)
    steps = (np.clip(q, low, high) - zero).astype(x.dtype, copy=False)
    slope = np.where(inside, steps - u, steps)
    return steps * scale, FakeQuantizeCache(inside, slope, scale.shape)


@op
def fake_quantize_backward(dy: Array, cache: FakeQuantizeCache) -> tuple[Array, Array]:
    """dy (..., D) -> dx (..., D), dscale (...)."""
    inside, slope, shape = cache
    return np.where(inside, dy, 0), sum_to(dy * slope, shape)


def symmetric_scale(x: Array, bits: int, *, by_row: bool = False) -> Array:
    """x (..., D) -> the smallest scale () or (..., 1) of which a symmetric grid holds x.

    The grid has the integers from -2^(bits-1) + 1 to 2^(bits-1) - 1. Where x is all zeros, it is 1.
    """
    top = np.abs(x).max(axis=-1 if by_row else None, keepdims=by_row, initial=0)
    top = np.asarray(top / (2 ** (bits - 1) - 1), x.dtype)
    return np.where(top == 0, np.ones_like(top), top)


def _check(x: Array, scale: Array, zero: Array | int, low: int, high: int) -> None:
    if not low < high:
        raise ConfigError(f"low is {low} and high {high}; low must be less")
    if np.any(np.less(zero, low)) or np.any(np.greater(zero, high)):
        raise ConfigError(f"zero is {zero}; it must be one of the grid's, from {low} to {high}")
    try:
        fits = np.broadcast_shapes(x.shape, scale.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"scale {scale.shape} does not broadcast to x {x.shape}")
    if not (scale > 0).all():
        raise ConfigError("a scale is not above 0; give the size of a step of the grid")
