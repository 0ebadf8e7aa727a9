"""Large cases are judged in float64 alone, and the result says so."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.verify import WithVJP, check
from npformer.verify.reference.oracles import WIDE
from npformer.verify.reference.wide import LARGE

LONG = np.random.default_rng(0).standard_normal((2, 90, 90))
SHORT = LONG[:, :20, :20]


def product(kept, factor=1.0):
    """x @ w; the dtypes that it is called with go into ``kept``."""

    def forward(x, w):
        kept.append(x.dtype)
        return x @ w

    return WithVJP(forward, lambda dy, x, w: (factor * dy @ w.T, x.T @ dy))


@pytest.mark.skipif(not WIDE, reason="long double is no wider than float64 here")
@pytest.mark.parametrize(("given", "large"), [(SHORT, False), (LONG, True)])
def test_extended_precision_is_for_cases_that_are_not_large(given, large):
    kept: list[np.dtype] = []
    result = check(product(kept), list(given), cases=8)
    assert result and result.directional_cases == 4
    wide = kept.count(np.dtype(np.longdouble))
    assert (wide <= 1) if large else (wide > 20)  # once, to see whether it takes it
    said = f"4 cases of more than {LARGE:,} numbers: judged in float64 alone"
    assert (said in " ".join(str(result).split())) == large


def test_a_millionth_too_much_of_a_large_gradient_is_found():
    assert not check(product([], 1 + 1e-6), list(LONG), cases=20, shrink=False)
