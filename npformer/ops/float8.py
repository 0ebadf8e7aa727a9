r"""A cast to eight bits of floating point and back, at a scale that is given (arXiv:2209.05433).

Shapes      x, y, dy, dx : (..., D)    scale : any that broadcasts to x's

Forward     A float of eight bits has a sign, e bits of exponent and m of fraction:

                "e4m3"    e = 4, m = 3    to 448,      steps of 2^-9 below 2^-6
                "e5m2"    e = 5, m = 2    to 57,344,   steps of 2^-16 below 2^-14

            With u = x / scale, clipped to the largest number, and 2^k the power of two at or
            below |u|, or the smallest normal one if that is more,

                step = 2^(k - m)
                y    = scale step round(u / step)      half to even

            ``inside`` is where |u| was not above the largest.

Backward    As in fake_quantize.py, the rounding's derivative is taken for 1:

                dx = dy inside

            scale is a constant.

Reading     A grid of integers has one step for all; here the step is in proportion to the number,
            and the relative error at most 2^-(m + 1), down to where steps become equal. So a scale
            matters less, and matters at the two ends: what is above is clipped, what is below
            2^-10 of e4m3 becomes 0.

            The scale is usually made of the largest |x| of this step, or of steps before. It is a
            constant in the backward all the same. With the derivative of a maximum in it, one
            entry of x would be told of the rounding of all others.

            Libraries differ in what is too large: PyTorch's cast to e4m3 clips, and to e5m2 gives
            inf (findings/float8-casts.sh). Here both clip.

Chapter     walkthroughs/30_numbers_with_few_bits.md
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.seam import op

Float8 = Literal["e4m3", "e5m2"]


class Format(NamedTuple):
    """What a float of eight bits can be."""

    fraction: int
    """Bits of the fraction."""
    least: int
    """Exponent of the smallest normal number."""
    largest: float


FORMATS: dict[str, Format] = {
    "e4m3": Format(3, -6, 448.0),
    "e5m2": Format(2, -14, 57344.0),
}


class Float8Cache(NamedTuple):
    inside: Array  # (..., D) bool


@op
def float8_forward(
    x: Array, *, scale: Array | float = 1.0, kind: Float8 = "e4m3"
) -> tuple[Array, Float8Cache]:
    """x (..., D) -> y (..., D), cache.

    Raises ``ConfigError`` for another kind, or a scale that is not above 0.
    """
    check_choice("kind", kind, get_args(Float8))
    if not np.all(np.greater(scale, 0)):
        raise ConfigError("a scale is not above 0; give what the largest number is divided by")
    form, scale = FORMATS[kind], np.asarray(scale, x.dtype)
    u = x / scale
    inside = np.abs(u) <= form.largest
    u = np.clip(u, -form.largest, form.largest)
    _, exponent = np.frexp(u)  # |u| is from 2^(exponent - 1), and below 2^exponent
    step = np.ldexp(np.ones_like(u), np.maximum(exponent - 1, form.least) - form.fraction)
    return np.rint(u / step) * step * scale, Float8Cache(inside)


@op
def float8_backward(dy: Array, cache: Float8Cache) -> Array:
    """dy (..., D) -> dx (..., D)."""
    return np.where(cache.inside, dy, 0)
