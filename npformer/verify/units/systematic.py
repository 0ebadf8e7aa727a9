"""The part of an error that rounding does not explain, where digits are few: its mean near by.

In sixteen bits, a bound that lets every right function pass lets 5 % in one entry pass too. But
rounding is drawn anew where the inputs move by some eps, and its mean is near 0, while a factor of
1.05 stays. So an error of more than ``MOST`` units that passes is looked at on inputs near by: a
mean that stands out from the spread is no rounding, unless rounding each step of the function anew
moves the result as far. A sum of many equal numbers kept in sixteen bits has such a mean.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Array

MOST = 1.0
"""Units that the mean may have; or ``RATIO`` times what the reference's own has."""
RATIO = 2.0
SPREADS = 2.0
"""Standard deviations of the error that a mean has to be above to stand out."""
FEWEST = 8
"""Trials from which a mean says something: some may be refused."""


def part(errors: Array, unit: Array) -> Array:
    """The mean error of each entry, in units, where it stands out; 0 elsewhere.

    Args:
        errors: with their signs, (trials, ...) of the result's shape.
        unit: of each entry, with eps in it.
    """
    if len(errors) < FEWEST:
        return np.zeros(np.shape(unit))
    mean = np.abs(errors.mean(axis=0))
    return np.where(mean > SPREADS * errors.std(axis=0), mean / unit, 0.0)


def accepts(ours: float, reference: float) -> bool:
    """Whether such a part is right, given the reference's own on the same inputs."""
    return ours <= MOST or ours <= RATIO * reference
