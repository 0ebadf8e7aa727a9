r"""GELU, the Gaussian error linear unit (Hendrycks & Gimpel, 2016), exact and by tanh.

Shapes      x, y, gate, slope, dy, dx : any, all the same

Forward     y = x * gate, and gate is the normal distribution's integral up to x, or close to it:

            "none"   gate = cdf(x)                     see normal.py
            "tanh"   gate = (1 + tanh u) / 2 = logistic(2u)
                     u    = sqrt(2/pi) (x + 0.044715 x^3)

            Both keep their relative accuracy on the left, where 1 + tanh u, like
            1 + erf(x / sqrt(2)), would cancel to zero.

Backward    The product rule, with slope for the gate's own derivative:

                dx = dy * (gate + x * slope)

            "none"   slope = pdf(x)                    the integral's derivative
            "tanh"   slope = logistic_slope(2u) * 2u'  see silu.py
                     2u'   = 2 sqrt(2/pi) (1 + 3 * 0.044715 x^2)

Reading     A unit is passed on with the probability that a normal variable lies below it. To the
            right y = x and the slope is 1; to the left both are 0; y is least near x = -0.75,
            and its slope is negative below. x is clipped where the gate is shut or open to the
            last bit, so that -inf gives 0 and +inf gives slope 1, the limits (PyTorch: NaN).

Chapter     walkthroughs/04_activations.md
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np

from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.ops.normal import FAR, normal_cdf, normal_pdf
from npformer.ops.silu import logistic, logistic_slope
from npformer.seam import op

CUBIC = 0.044715
DOUBLE = 2 * math.sqrt(2 / math.pi)
Approximate = Literal["none", "tanh"]


class GeluCache(NamedTuple):
    x: Array  # (...)
    gate: Array  # (...)
    approximate: str


@op
def gelu_forward(x: Array, *, approximate: Approximate = "none") -> tuple[Array, GeluCache]:
    """x (...) -> y (...), cache. Raises ``ConfigError`` for another ``approximate``."""
    check_choice("approximate", approximate, get_args(Approximate))
    gate = gelu_gate(x, approximate)
    y = np.maximum(x, -FAR)
    y *= gate
    return y, GeluCache(x, gate, approximate)


@op
def gelu_backward(dy: Array, cache: GeluCache) -> Array:
    """dy (...) -> dx (...)."""
    x, gate, approximate = cache
    x = np.clip(x, -FAR, FAR)
    dx = gelu_slope(x, approximate)
    dx *= x
    dx += gate
    dx *= dy
    return dx


def gelu_gate(x: Array, approximate: str) -> Array:
    """x (...) -> the gate (...)."""
    return normal_cdf(x) if approximate == "none" else logistic(_two_u(x))


def gelu_slope(x: Array, approximate: str) -> Array:
    """x (...), which is finite -> the gate's own derivative (...)."""
    if approximate == "none":
        return normal_pdf(x)
    slope = logistic_slope(_two_u(x))
    slope *= DOUBLE * (1 + 3 * CUBIC * np.square(x))
    return slope


def _two_u(x: Array) -> Array:
    y = np.square(x)
    y *= CUBIC
    y += 1
    y *= x
    y *= DOUBLE
    return y
