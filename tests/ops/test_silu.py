from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from npformer.ops import silu_backward, silu_forward
from tests.ops.oracle import assert_same, autograd


def slope(x):
    return silu_backward(np.ones_like(x), silu_forward(x)[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reach", [1e-40, 1.0, 30.0, 1e30])
def test_agrees_with_pytorch(reach, dtype):
    x = np.linspace(-1, 1, 201).astype(dtype) * dtype(reach)
    dy = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    y, cache = silu_forward(x)
    theirs = autograd(F.silu, dy, x)
    assert_same(y, theirs[0])
    assert_same(silu_backward(dy, cache), theirs[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_infinities_are_the_limits(dtype):
    """Better than PyTorch 2.13, which gives NaN at -inf, and NaN slopes at both ends."""
    x = np.array([-np.inf, np.inf], dtype)
    np.testing.assert_array_equal(silu_forward(x)[0], [0, np.inf])
    np.testing.assert_array_equal(slope(x), [0, 1])
    assert torch.isnan(F.silu(torch.tensor(-np.inf)))


def test_zero_and_not_a_number():
    x = np.array([0.0, np.nan])
    np.testing.assert_array_equal(silu_forward(x)[0], [0, np.nan])
    np.testing.assert_array_equal(slope(x), [0.5, np.nan])


def test_the_left_tail_keeps_its_relative_accuracy():
    x = -np.linspace(1, 700, 500)
    np.testing.assert_allclose(silu_forward(x)[0], x * np.exp(x) / (1 + np.exp(x)), rtol=4e-16)


def test_the_slope_on_the_right_is_one_and_what_exp_leaves():
    """silu'(x) = 1 + (x - 1) exp(-x) + O(x exp(-2x)); x (1 - gate) would be off by 15 eps."""
    x = np.linspace(20, 40, 500)
    expected = 1 + (x - 1) * np.exp(-x)
    np.testing.assert_allclose(slope(x), expected, rtol=3e-16)


def test_x_less_its_mirror_image_is_x():
    x = np.random.default_rng(1).standard_normal(500) * 10
    np.testing.assert_allclose(silu_forward(x)[0] - silu_forward(-x)[0], x, rtol=1e-15)
    np.testing.assert_allclose(slope(x) + slope(-x), 1, rtol=1e-14)
