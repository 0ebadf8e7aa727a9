from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from npformer.ops.normal import normal_cdf, normal_pdf


def exact_pdf(x: float) -> float:
    """exp(-x^2 / 2) / sqrt(2 pi) with the exponent exact: its integer part is split off."""
    exponent = Fraction(x) ** 2 / 2
    whole = int(exponent)
    return math.exp(-whole) * math.exp(-float(exponent - whole)) / math.sqrt(2 * math.pi)


def mills(a: float) -> float:
    """Laplace's continued fraction (1805) for cdf(-a) / pdf(a), evaluated from the inside out."""
    value = a
    for n in range(400, 0, -1):
        value = a + n / value
    return 1 / value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_density_is_exact_to_a_few_eps_everywhere(dtype):
    end = 12.9 if dtype == np.float32 else 37.0  # below lie the subnormal numbers
    x = np.random.default_rng(0).uniform(-end, end, 3000).astype(dtype)
    exact = np.array([exact_pdf(float(v)) for v in x])
    assert (np.abs(normal_pdf(x) - exact) / exact).max() < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_left_tail_is_exact_to_a_few_eps(dtype):
    end = 12.9 if dtype == np.float32 else 37.0
    x = np.random.default_rng(1).uniform(-end, -2, 2000).astype(dtype)
    exact = np.array([exact_pdf(float(v)) * mills(-float(v)) for v in x])
    assert (np.abs(normal_cdf(x) - exact) / exact).max() < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_middle_and_the_right_are_exact_to_a_few_eps(dtype):
    x = np.random.default_rng(2).uniform(-2, 40, 2000).astype(dtype)
    exact = np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x])
    assert (np.abs(normal_cdf(x) - exact) / exact).max() < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    x = np.array([-np.inf, -50, 0, 50, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(normal_cdf(x), np.array([0, 0, 0.5, 1, 1, np.nan], dtype))
    assert normal_cdf(x).dtype == normal_pdf(x).dtype == dtype
    np.testing.assert_array_equal(normal_pdf(x)[[0, 1, 3, 4]], 0)


def test_it_rises():
    x = np.linspace(-38, 8, 20_000)
    assert (np.diff(normal_cdf(x)) >= 0).all()
