"""Residuals of several streams: what they are when there is one, and Sinkhorn's limit."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.ops import (
    read_streams_backward,
    read_streams_forward,
    sinkhorn_backward,
    sinkhorn_forward,
    write_streams_backward,
    write_streams_forward,
)


def limit_gradient(dy, y):
    """dy (J, J), y (J, J) -> dlogits (J, J), by the conditions that all sums of y are 1."""
    j, g = len(y), dy * y
    equations = np.block([[np.diag(y.sum(1)), y], [y.T, np.diag(y.sum(0))]])
    found = np.linalg.lstsq(equations, np.concatenate([g.sum(1), g.sum(0)]), rcond=1e-10)[0]
    return g - y * (found[:j, None] + found[j:])


@pytest.mark.parametrize("j", [1, 2, 4, 7])
def test_at_convergence_the_iterations_give_the_gradient_of_the_limit(j):
    rng = np.random.default_rng(28)
    logits, dy = rng.standard_normal((2, j, j))
    y, cache = sinkhorn_forward(logits, iterations=200)
    np.testing.assert_allclose(y.sum(1), 1, atol=1e-14)
    dlogits = sinkhorn_backward(dy, cache)
    np.testing.assert_allclose(dlogits, limit_gradient(dy, y), atol=1e-12)
    np.testing.assert_allclose(dlogits.sum(0), 0, atol=1e-13)


def test_a_row_of_logits_may_be_raised_and_a_column_not_until_it_has_converged():
    rng = np.random.default_rng(28)
    logits = rng.standard_normal((4, 4))
    y = sinkhorn_forward(logits, iterations=2)[0]
    rows = sinkhorn_forward(logits + np.arange(4.0)[:, None], iterations=2)[0]
    np.testing.assert_allclose(rows, y, atol=1e-14)
    columns = logits + np.arange(4.0)
    assert abs(sinkhorn_forward(columns, iterations=2)[0] - y).max() > 1e-3
    far, near = (sinkhorn_forward(a, iterations=200)[0] for a in (columns, logits))
    np.testing.assert_allclose(far, near, atol=1e-13)


def test_logits_that_are_far_apart_give_a_permutation_and_no_nan():
    logits = np.array([[0.0, -2000, -3000], [-2000, -3000, 0], [-3000, 0, -2000]])
    y, cache = sinkhorn_forward(logits)
    np.testing.assert_array_equal(y, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(sinkhorn_backward(np.ones((3, 3)), cache), np.zeros((3, 3)))


def test_what_is_no_square_and_no_iteration_are_refused():
    with pytest.raises(ShapeError, match=r"the shape \(2, 3\); the last two axes must be equal"):
        sinkhorn_forward(np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="iterations is 0; it must be at least 1"):
        sinkhorn_forward(np.zeros((2, 2)), iterations=0)


def test_one_stream_is_the_residual_connection():
    rng = np.random.default_rng(28)
    x, h, dy = rng.standard_normal((3, 5, 6))
    one = np.ones(1)
    streams = x[:, None]
    y, written = write_streams_forward(streams, h, np.eye(1), one)
    np.testing.assert_array_equal(y[:, 0], x + h)
    dstreams, dh, _, _ = write_streams_backward(dy[:, None], written)
    np.testing.assert_array_equal(dstreams[:, 0], dy)
    np.testing.assert_array_equal(dh, dy)
    read, cache = read_streams_forward(streams, one)
    np.testing.assert_array_equal(read, x)
    np.testing.assert_array_equal(read_streams_backward(dy, cache)[0][:, 0], dy)


def test_a_column_that_sums_to_one_keeps_the_sum_and_a_row_that_of_the_gradients():
    rng = np.random.default_rng(28)
    streams, dy = rng.standard_normal((2, 5, 4, 6))
    mix = sinkhorn_forward(rng.standard_normal((4, 4)), iterations=100)[0]
    y, cache = write_streams_forward(streams, np.zeros((5, 6)), mix, np.zeros(4))
    np.testing.assert_allclose(y.sum(1), streams.sum(1), atol=1e-13)
    np.testing.assert_allclose(write_streams_backward(dy, cache)[0].sum(1), dy.sum(1), atol=1e-13)
