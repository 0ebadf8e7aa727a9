"""The normal distribution function in extended precision, for which no library has one."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def normal_distribution(x: Array) -> Array:
    """The normal distribution function to the last digits of x's dtype, in both tails.

    With a = |x| and pdf its density, two classical expansions of the tail 1 - Phi(a):

        a < 2     1/2 - pdf (a + a^3 / 3 + a^5 / (3 * 5) + ...)
        a >= 2    pdf / (a + 1 / (a + 2 / (a + 3 / (a + ...))))
    """
    one = x.dtype.type(1)
    a = np.minimum(np.abs(x), 40 * one)
    pdf = np.exp(-a * a / 2) / np.sqrt(8 * np.arctan(one))
    near = np.minimum(a, 2 * one)
    term = near.copy()
    series = near.copy()
    for k in range(3, 81, 2):
        term = term * (near * near / k)
        series = series + term
    far = np.maximum(a, 2 * one)
    fraction = far.copy()
    for k in range(160, 0, -1):
        fraction = far + k / fraction
    # The series cancels against 1/2 as a grows; past 2 the fraction has converged as well.
    tail = np.where(a < 2, one / 2 - pdf * series, pdf / fraction)
    return np.where(x > 0, 1 - tail, tail)
