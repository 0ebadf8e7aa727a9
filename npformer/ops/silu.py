r"""SiLU, the sigmoid-weighted linear unit (Elfwing, Uchibe & Doya, 2017), also called swish.

Shapes      x, y, gate, slope, dy, dx : any, all the same

Forward     gate = logistic(x) = 1 / (1 + exp(-x))
            y    = x * gate

Backward    The product rule, with slope for the gate's own derivative:

                dx = dy * (gate + x * slope)

            With u = 1 + exp(-x), gate = 1/u and u' = -exp(-x), so

                slope = -u' / u^2 = exp(-x) / (1 + exp(-x))^2

            Multiply above and below by exp(2x) to see that -x gives the same, so that

                slope = e / (1 + e)^2                  e = exp(-|x|)

            whose exponential cannot overflow. (gate * (1 - gate) is the same number, but 1 - gate
            cancels where x is large, and x multiplies the error.)

Reading     The input opens its own gate. Far to the right y = x and the slope is 1; far to the
            left both are 0; y is least near x = -1.28, and its slope is negative below. x is
            clipped where the gate is shut or open to the last bit, so that -inf gives 0 and
            +inf gives slope 1, the limits (PyTorch: NaN).

Chapter     walkthroughs/04_activations.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.seam import op

SHUT = 800.0  # exp(-800) is 0 in float64


class SiluCache(NamedTuple):
    x: Array  # (...)
    gate: Array  # (...)


@op
def silu_forward(x: Array) -> tuple[Array, SiluCache]:
    """x (...) -> y (...), cache."""
    gate = logistic(x)
    y = np.maximum(x, -SHUT)
    y *= gate
    return y, SiluCache(x, gate)


@op
def silu_backward(dy: Array, cache: SiluCache) -> Array:
    """dy (...) -> dx (...)."""
    x, gate = cache
    dx = np.clip(x, -SHUT, SHUT)
    dx *= logistic_slope(x)
    dx += gate
    dx *= dy
    return dx


def logistic(x: Array) -> Array:
    """x (...) -> 1 / (1 + exp(-x)); exp(-x) = inf gives 0, as it should."""
    y = np.exp(-x, out=np.empty_like(x))  # an array, also where x has no axes
    y += 1
    return np.reciprocal(y, out=y)


def logistic_slope(x: Array) -> Array:
    """x (...) -> the derivative of ``logistic`` at x."""
    e = np.exp(-np.abs(x))
    slope = np.square(1 + e, out=np.empty_like(x))
    return np.divide(e, slope, out=slope)
