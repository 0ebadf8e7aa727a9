"""softmax and log_softmax at the edges; every case holds for both."""

from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from npformer import ops
from tests.ops.oracle import assert_same, autograd

INF, NAN = np.inf, np.nan

both = pytest.mark.parametrize(
    ("forward", "backward", "twin"),
    [
        (ops.softmax_forward, ops.softmax_backward, F.softmax),
        (ops.log_softmax_forward, ops.log_softmax_backward, F.log_softmax),
    ],
    ids=["softmax", "log_softmax"],
)

EDGES = {
    "one class": [[3.0], [-1e30]],
    "a class ruled out": [[-INF, 0.0, 1.0], [2.0, -INF, -INF]],
    "all ruled out": [[-INF, -INF], [0.0, 1.0]],
    "infinite logit": [[INF, 0.0], [0.0, 1.0]],
    "two infinite logits": [[INF, INF, -INF]],
    "not a number": [[NAN, 0.0], [0.0, 1.0]],
    "huge": [[1e30, -1e30, 0.0], [1e30, 1e30, 1e30]],
    "largest": [[3e38, -3e38, 0.0]],
    "subnormal": [[1e-45, -1e-45, 0.0]],
    "far apart": [[0.0, -88.0, -104.0, -750.0]],
}


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", EDGES.values(), ids=EDGES)
def test_edges_agree_with_pytorch(forward, backward, twin, rows, dtype):
    x = np.array(rows, dtype)
    dy = np.random.default_rng(0).standard_normal(x.shape).astype(dtype)
    y, cache = forward(x)
    theirs = autograd(lambda t: twin(t, -1), dy, x)
    assert_same(y, theirs[0])
    assert_same(backward(dy, cache), theirs[1])


@both
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_any_axis(forward, backward, twin, axis):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 4))
    y, cache = forward(x, axis=axis)
    theirs = autograd(lambda t: twin(t, axis), dy, x)
    assert_same(y, theirs[0])
    assert_same(backward(dy, cache), theirs[1])


@both
def test_an_axis_of_length_zero(forward, backward, twin):
    y, cache = forward(np.zeros((2, 0)))
    assert y.shape == backward(y, cache).shape == (2, 0)


@both
@pytest.mark.parametrize("axis", [0, 1])
def test_a_gradient_sums_to_zero_along_the_axis(forward, backward, twin, axis):
    rng = np.random.default_rng(2)
    _, cache = forward(10 * rng.standard_normal((5, 6)), axis=axis)
    dx = backward(rng.standard_normal((5, 6)), cache)
    np.testing.assert_allclose(dx.sum(axis=axis), 0, atol=1e-14)


@both
def test_shifting_a_row_changes_nothing(forward, backward, twin):
    x = np.random.default_rng(3).integers(-5, 5, (4, 6)).astype(np.float64)
    np.testing.assert_array_equal(forward(x)[0], forward(x + 1024)[0])


def test_softmax_ignores_a_constant_upstream_gradient():
    x = np.random.default_rng(4).standard_normal((4, 6))
    _, cache = ops.softmax_forward(x)
    np.testing.assert_allclose(ops.softmax_backward(np.ones((4, 6)), cache), 0, atol=1e-15)


def test_rows_of_softmax_sum_to_one_over_a_long_float32_axis():
    """Along the first axis NumPy would add 100,000 rows one by one, 50 eps off."""
    x = np.random.default_rng(5).random((100_000, 2), dtype=np.float32)
    y, _ = ops.softmax_forward(x, axis=0)
    error = np.abs(y.sum(axis=0, dtype=np.float64) - 1)
    assert error.max() < 4 * np.finfo(np.float32).eps


def test_log_softmax_is_the_logarithm_where_softmax_underflows():
    x = np.array([0.0, -1000.0])
    assert ops.softmax_forward(x)[0][1] == 0
    assert ops.log_softmax_forward(x)[0][1] == -1000
