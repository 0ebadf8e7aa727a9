r"""A soft cap: numbers are held within (-cap, cap), and small ones left alone (Gemma 2, 2024).

Shapes      x, y, dy, dx, slope : (...)

Forward     y = cap * tanh(x / cap)                    arXiv:2408.00118, section 2

Backward    tanh' = 1 - tanh^2 = 1 / cosh^2, and the cap before tanh cancels the one inside:

                slope = 1 / cosh(x / cap)^2
                dx    = dy * slope

Reading     At 0 the slope is 1 and y = x up to x^3 / (3 cap^2): the cap costs small numbers
            nothing. Far out the slope falls as 4 exp(-2 |x| / cap), so a score that is much too
            large is hardly pulled back by its own gradient. The slope is never taken as
            1 - tanh^2: where tanh rounds to 1, from about |x| = 9 cap on in float32, that is 0, and
            long before it has lost its digits.

            Attention caps its scores before it adds a bias and before it masks: -inf capped would
            be -cap, and the hidden key seen.

Chapter     walkthroughs/17_fewer_keys.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.checks import check_softcap
from npformer.seam import op


class SoftcapCache(NamedTuple):
    slope: Array  # (...)


@op
def softcap_forward(x: Array, *, cap: float) -> tuple[Array, SoftcapCache]:
    """x (...) -> y (...), cache.

    Raises ``ConfigError`` for a cap that is not positive and finite.
    """
    check_softcap(cap)
    y, slope = capped(x, cap)
    return y, SoftcapCache(slope)


@op
def softcap_backward(dy: Array, cache: SoftcapCache) -> Array:
    """dy (...) -> dx (...)."""
    return dy * cache.slope


def capped(x: Array, cap: float) -> tuple[Array, Array]:
    """x (...) -> y and the slope dy/dx, each (...)."""
    small = x / cap
    return cap * np.tanh(small), np.square(1 / np.cosh(small))
