"""The derivative entry by entry, at the cost of one row where rows are apart."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.ops import softmax_backward, softmax_forward
from npformer.verify import finite_differences
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
    # Two for the copies of the rows, or, where these are not apart, for each place of the axis that
    # is not; two for each entry of so small a W; and to see what is apart, a few.
    assert counts[0] <= 2 * W.size + (12 if apart else 2 * X[:, 0].size) and counts[1] < 30
    y, cache = softmax_forward(X)
    if apart:
        np.testing.assert_allclose(dx, softmax_backward(dy * W, cache), atol=1e-9)
        np.testing.assert_allclose(dw, (dy * y).sum((0, 1)), atol=1e-9)
    else:
        exact = dy * W - 2e-5 / len(X) * X * dy.sum(0)
        np.testing.assert_allclose(dx, exact, atol=1e-10)


def test_what_is_apart_is_moved_at_once():
    """A weight of each column in two calls, and one of a product column by column."""
    calls = 0

    def function(x, w, matrix, along):
        nonlocal calls
        calls += 1
        y = (x / np.sqrt(np.mean(x**2, -1, keepdims=True))) * w
        return np.swapaxes(y @ matrix, 0, 1) * along[:, None, None]

    rng = np.random.default_rng(4)
    shapes = ((2, 20, 30), (30,), (30, 12), (20,))
    arrays = [rng.standard_normal(shape) for shape in shapes]
    dy = rng.standard_normal((20, 2, 12))
    found = gradients(function, arrays, dy)
    assert calls < 250  # of 2 * (1200 + 30 + 360 + 20)
    for array, each in zip(arrays, found, strict=True):
        v = rng.standard_normal(array.shape)
        along = [a + 1e-6 * v * s if a is array else a for s in (1, -1) for a in arrays]
        change = function(*along[:4]) - function(*along[4:])
        assert np.isclose(np.sum(each * v), np.sum(change * dy) / 2e-6, rtol=1e-6)
    for each, whole in zip(found, jacobian(function, arrays), strict=True):
        np.testing.assert_allclose(whole @ dy.ravel(), each.ravel(), atol=1e-8)


@pytest.mark.parametrize("backwards", [False, True])
def test_positions_that_see_one_side_alone_are_not_apart(backwards):
    rng = np.random.default_rng(5)
    x, dy = rng.standard_normal((2, 10)), rng.standard_normal((2, 10))
    order = slice(None, None, -1 if backwards else 1)

    def function(x):
        return np.cumsum(x[:, order], -1)[:, order] ** 2

    (dx,) = gradients(function, [x], dy)
    inner = (2 * np.cumsum(x[:, order], -1)[:, order] * dy)[:, order]
    np.testing.assert_allclose(dx, np.cumsum(inner[:, ::-1], -1)[:, ::-1][:, order], atol=1e-7)


def test_an_output_that_is_not_finite_is_no_sign_of_rows_that_are_apart():
    def function(x):
        return np.where(x > 0, np.nan, x * x.sum(0))

    x = np.array([[-1.0, 1.0], [-2.0, -3.0]])
    (matrix,) = jacobian(function, [x])
    assert np.isclose(matrix[0, 0], -4.0) and np.isclose(matrix[2, 0], -1.0)


def test_many_entries_go_into_one_call_where_rows_are_apart():
    calls = []

    def counted(x, w):
        calls.append(len(x))
        return np.tanh(x) * w + np.cumsum(x, -1)

    rng = np.random.default_rng(0)
    x, w, dy = rng.standard_normal((3, 40)), rng.standard_normal(40), rng.standard_normal((3, 40))
    dx, dw = gradients(counted, [x, w], dy)
    assert len(calls) < 2 * 40 + 10  # those of w, which all rows share
    wanted = dy * w / np.cosh(x) ** 2 + np.cumsum(dy[:, ::-1], -1)[:, ::-1]
    assert np.allclose(dx, wanted, atol=1e-8)
    assert np.allclose(dw, (dy * np.tanh(x)).sum(0), atol=1e-8)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / x.sum(0),
        lambda x: x * np.arange(len(x))[:, None],
        lambda x: x.reshape(3, 4) ** 2,
        lambda x: x * np.linspace(1, 2, 12).reshape(3, 4),
    ],
)
def test_rows_that_are_not_alike_or_not_apart_are_moved_one_by_one(function):
    rng = np.random.default_rng(1)
    x, dy = rng.random((3, 4)) + 1, rng.standard_normal((3, 4))
    (dx,) = gradients(function, [x], dy)
    (whole,) = jacobian(function, [x])
    assert np.allclose(whole @ dy.ravel(), dx.ravel(), atol=1e-7)
    slow = finite_differences(function, x, dy=dy)[0]
    assert np.allclose(dx, slow, atol=1e-7)


def test_equal_numbers_are_off_alike_and_apart_all_the_same():
    """The rounding of a sum of equal errors is no sign that an entry depends on others."""
    calls = 0

    def product(x, w):
        nonlocal calls
        calls += 1
        return x @ w

    x = np.tile(np.random.default_rng(0).integers(-5, 5, (1, 100)) / 1.1, (200, 1))
    w, dy = np.ones((100, 100)), np.ones((200, 100))
    dx, dw = gradients(product, [x, w], dy)
    np.testing.assert_allclose(dx, dy @ w.T, rtol=1e-6)
    np.testing.assert_allclose(dw, x.T @ dy, atol=1e-5)
    assert calls < 3 * sum(x.shape)
