from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from npformer.optim import clip_factor, gradient_norm
from npformer.optim.clip import BLOCK


def exact_norm(array):
    """The norm from exact rational squares; the root alone rounds."""
    total = sum(Fraction(float(x)) ** 2 for x in array)
    shift = 2 * (math.frexp(float(max(abs(array.astype(np.float64)))))[1])
    return math.sqrt(total / Fraction(2) ** shift) * 2.0 ** (shift // 2)


@pytest.mark.parametrize(
    ("dtype", "magnitude"),
    [
        (np.float32, 1.0),
        (np.float32, 1e30),
        (np.float32, 1e38),
        (np.float32, 1e-30),
        (np.float32, 1e-42),
        (np.float64, 1.0),
        (np.float64, 1e200),
        (np.float64, 1e-200),
        (np.float64, 1e-310),
    ],
)
def test_the_norm_is_right_at_any_magnitude(dtype, magnitude):
    array = (np.random.default_rng(1).random(500) * magnitude).astype(dtype)
    assert gradient_norm(array) == pytest.approx(exact_norm(array), rel=1e-14)


def test_many_blocks_add_up_without_losing_small_ones():
    # In float32 the running sum would stop growing at 2**24 ones.
    array = np.ones(300 * BLOCK + 17, np.float32)
    assert gradient_norm(array) == pytest.approx(math.sqrt(array.size), rel=1e-15)


def test_norms_of_parts_combine_through_hypot():
    array = np.random.default_rng(2).standard_normal(1000)
    parts = [gradient_norm(part) for part in np.array_split(array, 7)]
    assert math.hypot(*parts) == pytest.approx(gradient_norm(array), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [0, BLOCK, BLOCK + 5])
def test_one_bad_element_shows(dtype, place):
    array = np.ones(BLOCK + 6, dtype)
    array[place] = np.nan
    assert math.isnan(gradient_norm(array))
    array[place] = -np.inf
    assert gradient_norm(array) == math.inf


def test_the_norm_of_nothing_and_of_zeros_is_zero():
    assert gradient_norm(np.zeros(0)) == 0
    assert gradient_norm(np.zeros(5, np.float32)) == 0


def test_clipping_bounds_the_norm_and_leaves_smaller_ones_alone():
    assert clip_factor(10.0, 4.0) * 10.0 == 4.0
    assert clip_factor(4.0, 4.0) == 1.0
    assert clip_factor(0.0, 4.0) == 1.0
    assert clip_factor(1e9, 0.0) == 1.0  # 0: no limit
