from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from npformer.ops import relu_backward, relu_forward
from tests.ops.oracle import assert_same, autograd


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_agree_with_pytorch(dtype):
    x = np.array([-np.inf, -1e30, -1e-45, -0.0, 0.0, 1e-45, 1.0, 1e30, np.inf], dtype)
    dy = np.arange(1.0, 10.0).astype(dtype)
    y, cache = relu_forward(x)
    theirs = autograd(F.relu, dy, x)
    assert_same(y, theirs[0])
    assert_same(relu_backward(dy, cache), theirs[1])


def test_the_slope_at_the_kink_is_zero():
    _, cache = relu_forward(np.array([0.0, -0.0]))
    assert not relu_backward(np.array([5.0, 5.0]), cache).any()


def test_not_a_number_stays_one():
    assert np.isnan(relu_forward(np.array([np.nan]))[0]).all()


def test_it_is_linear_along_a_ray():
    x = np.random.default_rng(0).standard_normal((5, 6))
    np.testing.assert_array_equal(relu_forward(4 * x)[0], 4 * relu_forward(x)[0])
