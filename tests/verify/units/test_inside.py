"""The precision inside a kernel, recognised at both ends of its range."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.case import Case
from npformer.verify.units.inside import CASES, computes_in

SIZE = 24


def cases(small=1.0, large=1.0):
    """Ordinary ones, but for one whose w is ``small``, and one whose x is ``large``."""
    found = []
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        x, w = (rng.standard_normal(SIZE).astype(np.float32) for _ in range(2))
        x *= np.float32(large if seed == 4 else 1)
        w *= np.float32(small if seed == 7 else 1)
        found.append(Case({"x": x, "w": w}, {}, np.ones(SIZE, np.float32)))
    return found


def exact(case):
    x, w = (case.inputs[n].astype(np.float64) for n in "xw")
    return {"y": x * w}


def half(case):
    with np.errstate(over="ignore"):
        x, w = (case.inputs[n].astype(np.float16) for n in "xw")
        return {"y": (x * w).astype(case.dy.dtype)}


def reference(case):
    x, w = (case.inputs[n] for n in "xw")
    return {"y": x * w}


@pytest.mark.parametrize("kwargs", [{}, {"small": 1e-7}, {"small": 1e-7, "large": 50.0}])
def test_below_the_smallest_normal_number_the_rounding_of_an_input_is_multiplied(kwargs):
    assert computes_in(half, _both, cases(**kwargs)) == "float16"


@pytest.mark.parametrize("large", [1e4, 2e4])
def test_an_infinity_beyond_the_range_says_nothing(large):
    assert computes_in(half, _both, cases(large=large)) == "float16"


def test_an_infinity_within_the_range_is_no_rounding():
    early = lambda case: {"y": np.where(half(case)["y"] > 3, np.inf, half(case)["y"])}  # noqa: E731
    assert computes_in(early, _both, cases()) == ""


@pytest.mark.parametrize("off", [1e-3, 1e-2])
def test_a_steady_error_at_small_numbers_is_no_rounding(off):
    wrong = lambda case: {"y": half(case)["y"] + np.float32(off)}  # noqa: E731
    assert computes_in(wrong, _both, cases(small=1e-7)) == ""


def _both(case):
    """The reference in the case's own precision, its wider twin where that is asked for."""
    return reference(case) if case.dy.dtype == np.float64 else exact(case)
