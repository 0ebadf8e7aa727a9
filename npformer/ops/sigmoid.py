r"""The sigmoid, or logistic function: an open or shut gate for each number.

Shapes      x, y, slope, dy, dx : any, all the same

Forward     y = logistic(x) = 1 / (1 + exp(-x))

Backward    With u = 1 + exp(-x), y = 1/u and u' = -exp(-x); as silu.py derives,

                slope = exp(-x) / (1 + exp(-x))^2 = e / (1 + e)^2          e = exp(-|x|)
                dx    = dy * slope

            (y * (1 - y) is the same number, but 1 - y cancels where x is large: in float32 it is 0
            from x = 17 on, where the slope is 4e-8, and with it every gradient of an open gate.)

Reading     The gate is steepest, 1/4, where it is half open, and what is far open or far shut
            hardly moves. y(-x) = 1 - y(x), so the slope is the same on both sides. Gated attention
            multiplies each head's output by such a gate, made from the layer's input.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import NamedTuple

from npformer.ops.array import Array
from npformer.ops.silu import logistic, logistic_slope
from npformer.seam import op


class SigmoidCache(NamedTuple):
    x: Array  # (...)


@op
def sigmoid_forward(x: Array) -> tuple[Array, SigmoidCache]:
    """x (...) -> y (...), cache."""
    return logistic(x), SigmoidCache(x)


@op
def sigmoid_backward(dy: Array, cache: SigmoidCache) -> Array:
    """dy (...) -> dx (...)."""
    return dy * logistic_slope(cache.x)
