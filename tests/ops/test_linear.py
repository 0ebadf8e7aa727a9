from __future__ import annotations

import numpy as np
import pytest

from npformer.ops import linear_backward, linear_forward
from npformer.ops.array import summed_rows
from npformer.ops.linear import ALONE, FEW, SMALL


def test_without_a_bias_there_is_no_bias_gradient():
    y, cache = linear_forward(np.ones((2, 3)), np.ones((4, 3)))
    np.testing.assert_array_equal(y, np.full((2, 4), 3.0))
    assert linear_backward(y, cache)[2] is None


def test_a_single_row_needs_no_batch_axis():
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s) for s in ((3,), (4, 3), (4,)))
    y, cache = linear_forward(x, weight, bias)
    np.testing.assert_allclose(y, weight @ x + bias)
    dx, dweight, dbias = linear_backward(y, cache)
    np.testing.assert_allclose(dx, weight.T @ y)
    np.testing.assert_allclose(dweight, np.outer(y, x))
    np.testing.assert_array_equal(dbias, y)


def test_leading_axes_are_rows_and_nothing_more():
    rng = np.random.default_rng(1)
    x, weight, dy = (rng.standard_normal(s) for s in ((2, 3, 4, 5), (6, 5), (2, 3, 4, 6)))
    y, cache = linear_forward(x, weight)
    flat, flat_cache = linear_forward(x.reshape(24, 5), weight)
    np.testing.assert_array_equal(y.reshape(24, 6), flat)
    dx, dweight, _ = linear_backward(dy, cache)
    flat_dx, flat_dweight, _ = linear_backward(dy.reshape(24, 6), flat_cache)
    np.testing.assert_array_equal(dx.reshape(24, 5), flat_dx)
    np.testing.assert_array_equal(dweight, flat_dweight)


def test_an_input_of_the_wrong_width_is_refused():
    """Two rows of 6 are also four rows of 3; reshaping must not make them so."""
    for rows, out in ((2, 4), (2, SMALL), (FEW, SMALL), (2 * FEW, SMALL)):
        with pytest.raises(ValueError, match="mismatch in its core dimension"):
            linear_forward(np.ones((rows, 6), np.float32), np.ones((out, 3), np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [0, 1, ALONE, ALONE + 1, FEW, FEW + 1])
def test_few_rows_of_a_large_weight_are_those_of_many(rows, order, dtype):
    """Up to FEW rows a weight above SMALL is read otherwise; the products are the same."""
    rng = np.random.default_rng(5)
    out = SMALL // (64 * np.dtype(dtype).itemsize) + 1
    x, weight, bias = (
        np.asarray(rng.standard_normal(size).astype(dtype), order=order)
        for size in ((FEW + 1, 64), (out, 64), (out,))
    )
    exact = x.astype(np.longdouble) @ weight.T.astype(np.longdouble) + bias
    scale = np.abs(x) @ np.abs(weight.T) + np.abs(bias)
    y, _ = linear_forward(x[:rows], weight, bias)
    assert y.dtype == dtype and y.flags.c_contiguous
    assert (np.abs(y - exact[:rows]) <= 4 * np.finfo(dtype).eps * scale[:rows]).all()


def test_gradients_are_sums_over_the_batch():
    """Doubling the batch doubles the parameters' gradients and leaves dx as it was."""
    rng = np.random.default_rng(2)
    x, weight, bias, dy = (rng.standard_normal(s) for s in ((4, 3), (5, 3), (5,), (4, 5)))
    once = linear_backward(dy, linear_forward(x, weight, bias)[1])
    twice = linear_backward(
        np.concatenate([dy, dy]), linear_forward(np.concatenate([x, x]), weight, bias)[1]
    )
    np.testing.assert_allclose(twice[0][:4], once[0], rtol=1e-14)
    np.testing.assert_allclose(twice[1], 2 * once[1], rtol=1e-14)
    np.testing.assert_allclose(twice[2], 2 * once[2], rtol=1e-14)


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_a_row_that_no_gradient_reaches_may_be_no_number(worst):
    rng = np.random.default_rng(4)
    x, weight, dy = (rng.standard_normal(s) for s in ((4, 3), (5, 3), (4, 5)))
    dy[1], x[1, 2] = 0, 0
    expected = linear_backward(dy, linear_forward(x, weight)[1])[:2]
    x[1, 2] = worst
    cache = linear_forward(x, weight)[1]
    for found, wanted in zip(linear_backward(dy, cache), expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    dy[1, 0] = 1e-300
    assert not np.isfinite(linear_backward(dy, cache)[1][:, 2]).any()


def test_bias_gradient_over_many_float32_rows():
    """100,000 rows with a mean: ``sum(axis=0)`` is 80 eps off here."""
    rng = np.random.default_rng(3)
    dy = rng.standard_normal((100_000, 8), dtype=np.float32) + np.float32(3)
    _, cache = linear_forward(np.ones((100_000, 1), np.float32), np.ones((8, 1), np.float32),
                              np.ones(8, np.float32))  # fmt: skip
    exact = dy.sum(axis=0, dtype=np.float64)
    error = np.abs(linear_backward(dy, cache)[2] - exact) / exact
    assert error.max() < 40 * np.finfo(np.float32).eps


def test_overflow_is_infinity_as_in_pytorch():
    big = np.full((1, 1), 1e30, np.float32)
    y, cache = linear_forward(big, big)
    assert y == np.inf
    assert linear_backward(big, cache)[0] == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 210, 1024, 100_000])
def test_equal_rows_are_added_without_losing_digits(count, dtype):
    """Rows added one after the other lose in one direction: 624 eps of 100,000."""
    x = np.full((count, 3), 0.9034543, dtype)
    exact = count * x[:1].astype(np.longdouble).sum(axis=0) if count else 0.0
    total = summed_rows(x)
    assert total.shape == (3,) and total.dtype == dtype
    assert np.abs(total - exact).max() <= 8 * np.finfo(dtype).eps * count
