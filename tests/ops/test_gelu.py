from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from npformer.errors import ConfigError
from npformer.ops import gelu_backward, gelu_forward
from tests.ops.oracle import assert_same, autograd

KINDS = ("none", "tanh")


def slope(x, approximate="none"):
    _, cache = gelu_forward(x, approximate=approximate)
    return gelu_backward(np.ones_like(x), cache)


@pytest.mark.parametrize("approximate", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_pytorch_in_the_middle(approximate, dtype):
    x = np.linspace(-3, 6, 400).reshape(20, 20).astype(dtype)
    dy = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    y, cache = gelu_forward(x, approximate=approximate)
    theirs = autograd(lambda t: F.gelu(t, approximate=approximate), dy, x)
    assert_same(y, theirs[0])
    assert_same(gelu_backward(dy, cache), theirs[1])


def test_the_exact_left_tail_keeps_its_relative_accuracy():
    """PyTorch's 1 + erf(x / sqrt 2) is 0 from x = -8.3 on; the true value is 1e-310 at -37."""
    x = -np.linspace(0, 37, 500)
    exact = [v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x]
    # erfc's argument is rounded, and erfc magnifies that: compare to eps (1 + x^2).
    error = np.abs(gelu_forward(x)[0] - exact) / np.maximum(np.abs(exact), 1e-320)
    assert (error / (1 + x * x)).max() < 4 * np.finfo(np.float64).eps
    assert (gelu_forward(x)[0][1:] < 0).all()


def test_the_exact_slope_in_the_left_tail():
    """There gelu'(x) = pdf(x) (mills(|x|) + x), and mills(a) < 1/a by Gordon's inequality."""
    x = -np.linspace(2, 37, 300)
    pdf = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    mills = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x]) / pdf
    np.testing.assert_allclose(slope(x), pdf * (mills + x), rtol=2e-13)


def test_the_tanh_left_tail_keeps_its_relative_accuracy():
    x = -np.linspace(0.5, 20, 200)
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(
        gelu_forward(x, approximate="tanh")[0], x * np.exp(2 * u) / (1 + np.exp(2 * u)), rtol=1e-12
    )


@pytest.mark.parametrize("approximate", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_far_ends_are_the_limits(approximate, dtype):
    """Better than PyTorch 2.13, which gives NaN for the infinities and tanh's slope at 1e30."""
    x = np.array([-np.inf, -1e30, -50.0, 50.0, 1e30, np.inf], dtype)
    y, _ = gelu_forward(x, approximate=approximate)
    np.testing.assert_array_equal(y, np.array([0, 0, 0, 50, 1e30, np.inf], dtype))
    np.testing.assert_array_equal(slope(x, approximate), [0, 0, 0, 1, 1, 1])
    assert torch.isnan(F.gelu(torch.tensor(-np.inf), approximate=approximate))


@pytest.mark.parametrize("approximate", KINDS)
def test_zero_and_not_a_number(approximate):
    y, _ = gelu_forward(np.array([0.0, np.nan]), approximate=approximate)
    assert y[0] == 0
    assert np.isnan(y[1])
    np.testing.assert_array_equal(slope(np.array([0.0, np.nan]), approximate), [0.5, np.nan])


@pytest.mark.parametrize("approximate", KINDS)
def test_x_less_its_mirror_image_is_x(approximate):
    """y(x) - y(-x) = x (gate(x) + gate(-x)) = x, and so the slopes at x and -x add to 1."""
    x = np.random.default_rng(1).standard_normal(500) * 4
    difference = (
        gelu_forward(x, approximate=approximate)[0] - (gelu_forward(-x, approximate=approximate)[0])
    )
    np.testing.assert_allclose(difference, x, rtol=1e-15)
    np.testing.assert_allclose(slope(x, approximate) + slope(-x, approximate), 1, rtol=1e-14)


def test_an_unknown_approximation_is_named():
    with pytest.raises(ConfigError, match=r"'tahn'.*none, tanh.*did you mean 'tanh'"):
        gelu_forward(np.zeros(1), approximate="tahn")
