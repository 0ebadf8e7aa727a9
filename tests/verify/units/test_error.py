"""The error metric and the acceptance rule."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.verify.units.error import acceptable, error_units, worst

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)


def test_one_eps_of_the_scale_is_one_unit():
    ref, scale = np.array([3.0, 0.0]), np.array([3.0, 5.0])
    a = ref + np.finfo(np.float32).eps * scale
    np.testing.assert_allclose(error_units(a, ref, scale, F32), [1.0, 1.0])


def test_what_is_not_finite_counts_unless_both_are_the_same():
    a = np.array([np.inf, np.nan, np.inf, np.nan, 1.0])
    ref = np.array([np.inf, np.nan, 1.0, 1.0, np.inf])
    assert error_units(a, ref, np.ones(5), F64).tolist() == [0, 0, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("scale", [np.inf, np.nan, 0.0])
def test_a_scale_that_is_no_number_excuses_nothing(scale):
    units = error_units(np.array([1.0, 2.0]), np.array([1.5, 2.0]), np.full(2, scale), F64)
    assert units.tolist() == [np.inf, 0.0]


def test_nothing_is_not_wrong():
    assert worst(error_units(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)), F64)) == 0.0


@pytest.mark.parametrize(
    ("ours", "pytorch", "right"),
    [
        (4.0, 0.0, True),
        (4.1, 2.0, False),
        (6.0, 3.0, True),
        (8.0, np.inf, True),
        (8.1, 100.0, False),
        (np.inf, np.inf, False),
        (np.nan, 1.0, False),
    ],
)
def test_at_most_4_or_twice_pytorch_up_to_8(ours, pytorch, right):
    assert acceptable(ours, pytorch) is right


def test_an_infinity_is_right_where_the_exact_value_rounds_to_it():
    exact = np.array([1e39, -1e39, np.float64(np.finfo(np.float32).max) * (1 + 1e-9), 1e38, 1e39])
    a = np.array([np.inf, -np.inf, np.inf, np.inf, -np.inf], np.float32)
    units = error_units(a, exact, np.abs(exact), F32)
    assert units[:2].tolist() == [0, 0]
    assert units[2] <= 1
    assert (units[3:] > 1e6).all()
