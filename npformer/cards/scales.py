"""What the scales of results are made of: how large a rounding error may be.

A card's ``scale`` takes the op's arrays and upstream gradient in float64, and returns S by the name
of the result (``y``) or gradient (``dx``, ``dweight``, ...), of that result's shape. The recipe
is always the same: follow the formula, turn every difference into a sum of absolute values, and
carry along the relative error that earlier steps have already made (the condition factors ``c``
below). Constant factors near 1 are left out; the bound of 4 is for them.

``fp.tiny`` is the smallest normal number of the dtype under test. Below it, rounding is absolute:
eps * tiny is the smallest subnormal, so ``tiny`` times the number of terms is the scale there.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from npformer.ops.array import Array

Scales = dict[str, Array]


class FloatInfo(NamedTuple):
    """The dtype under test."""

    eps: float
    tiny: float


def float_info(dtype: Any) -> FloatInfo:
    """eps and the smallest normal number of ``dtype``."""
    return FloatInfo(float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny))


def walk(terms: int) -> float:
    """Rounding adds up like a random walk over a sum's terms: sqrt(K) / 4, which counts past 16.

    Higham & Mary (2019), "A new approach to probabilistic rounding error analysis".
    """
    return max(1.0, math.sqrt(terms) / 4)


def softmax_errors(z: Array, error: Array | float, axis: int = -1) -> tuple[Array, Array, Array]:
    """p = softmax(z), c = p's relative error in eps, and log of the sum of exp(z - max z).

    exp turns an absolute error of its argument into a relative one of its value. The argument
    z - max is off by |z - max| in eps, besides ``error``, what z itself was off by; the divisor
    is a p-weighted mean of the same errors.
    """
    with np.errstate(invalid="ignore"):
        shifted = z - z.max(axis, keepdims=True, initial=-np.inf)
    shifted = np.where(np.isfinite(z), shifted, -np.inf)
    e = np.exp(shifted)
    total = e.sum(axis, keepdims=True)
    p = np.divide(e, total, out=np.zeros_like(e), where=total > 0)
    off = np.where(p > 0, np.abs(np.where(np.isfinite(shifted), shifted, 0.0)) + error, 0.0)
    c = 1 + off + (p * off).sum(axis, keepdims=True)
    log_total = np.log(np.where(total > 0, total, 1.0))
    return p, c, log_total


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), to the last digit in both tails."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))
