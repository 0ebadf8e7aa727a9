"""The derivative entry by entry, at the cost of one row where rows are apart."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.ops import softmax_backward, softmax_forward
from npformer.verify.reference.jacobian import gradients, jacobian

X = np.random.default_rng(0).standard_normal((3, 2, 5))
W = np.random.default_rng(1).standard_normal(5)


def softmax(x, w):
    return softmax_forward(x)[0] * w


def centred(x, w):
    """Over the rows too, by so little that it must not be overlooked."""
    return x * w - 1e-5 * np.square(x).mean(0)


@pytest.mark.parametrize(("function", "apart"), [(softmax, True), (centred, False)])
def test_a_gradient_for_any_dy(function, apart):
    calls = 0

    def counted(*arrays):
        nonlocal calls
        calls += 1
        return function(*arrays)

    dy = np.random.default_rng(2).standard_normal(X.shape)
    dx, dw = gradients(counted, [X, W], dy)
    counts = [calls]
    matrices = jacobian(counted, [X, W])
    counts.append(calls - counts[0])
    for found, matrix in zip((dx, dw), matrices, strict=True):
        np.testing.assert_allclose(matrix @ dy.ravel(), found.ravel(), rtol=1e-9, atol=1e-11)
    entries = X[0].size if apart else X[0].size + X.size
    # Two for each entry, two for a direction, one to see the shape.
    assert counts == [2 * (entries + W.size) + 2, 2 * (entries + W.size) + 4]
    y, cache = softmax_forward(X)
    if apart:
        np.testing.assert_allclose(dx, softmax_backward(dy * W, cache), atol=1e-9)
        np.testing.assert_allclose(dw, (dy * y).sum((0, 1)), atol=1e-9)
    else:
        exact = dy * W - 2e-5 / len(X) * X * dy.sum(0)
        np.testing.assert_allclose(dx, exact, atol=1e-10)


def test_an_output_that_is_not_finite_is_no_sign_of_rows_that_are_apart():
    def function(x):
        return np.where(x > 0, np.nan, x * x.sum(0))

    x = np.array([[-1.0, 1.0], [-2.0, -3.0]])
    (matrix,) = jacobian(function, [x])
    assert np.isclose(matrix[0, 0], -4.0) and np.isclose(matrix[2, 0], -1.0)
