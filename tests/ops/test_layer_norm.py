from __future__ import annotations

import numpy as np
import pytest
import torch.nn.functional as F

from npformer.ops import layer_norm_backward, layer_norm_forward
from tests.ops.oracle import assert_same, autograd


def run(x, dy=None, eps=1e-5):
    d = x.shape[-1]
    rng = np.random.default_rng(0)
    weight, bias = (rng.standard_normal(d).astype(x.dtype) for _ in range(2))
    dy = rng.standard_normal(x.shape).astype(x.dtype) if dy is None else dy
    y, cache = layer_norm_forward(x, weight, bias, eps=eps)
    theirs = autograd(lambda *t: F.layer_norm(t[0], (d,), t[1], t[2], eps), dy, x, weight, bias)
    return [y, *layer_norm_backward(dy, cache)], theirs


EDGES = {
    "one feature": [[3.0], [-2.0]],
    "zero": [[0.0, 0.0, 0.0]],
    "tiny": [[1e-30, 2e-30, 4e-30]],
    "large": [[1e15, -2e15, 0.0]],
    "three axes": [[[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]], [[3.0, 3.0, 5.0], [1.0, 8.0, 1.0]]],
    "one axis": [1.0, 2.0, 4.0],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", EDGES.values(), ids=EDGES)
def test_edges_agree_with_pytorch(rows, dtype):
    for ours, theirs in zip(*run(np.array(rows, dtype)), strict=True):
        assert_same(ours, theirs, eps=32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_rows_agree_with_pytorch_and_are_cleaner(dtype):
    """PyTorch rounds the mean and multiplies what is left by rstd = 316; here nothing is left."""
    ours, theirs = run(np.array([[0.1, 0.1, 0.1], [-7.3, -7.3, -7.3]], dtype))
    for index in (0, 1, 3):
        np.testing.assert_allclose(ours[index], theirs[index], atol=3000 * np.finfo(dtype).eps)
    assert not ours[2].any()


def test_subnormal_rows_are_all_eps():
    x = np.array([[1e-45, -3e-45, 0.0]], np.float32)
    ours, theirs = run(x)
    for index in (0, 1, 3):
        assert_same(ours[index], theirs[index])
    assert np.abs(ours[2]).max() < 1e-41


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_row_alone_as_in_pytorch(bad):
    x = np.array([[1.0, bad, 2.0], [1.0, 2.0, 4.0]])
    ours, theirs = run(x)
    assert np.isnan(ours[0][0]).all()
    assert_same(ours[0], theirs[0])
    assert_same(ours[1], theirs[1])


def test_float32_squares_that_overflow_do_not_spoil_the_answer():
    """Better than PyTorch 2.13 (the bias or NaN): the variance, 1e60, is inf in float32."""
    x = np.array([[1e30, -1e30, 3e30, 0.0]], np.float32)
    ours, theirs = run(x)
    exact, _ = run(x.astype(np.float64))
    assert_same(ours[0], exact[0].astype(np.float32))
    assert_same(ours[1], exact[1].astype(np.float32), eps=64)
    assert not np.allclose(theirs[0], exact[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 1e10, 1e30, -1e30, 3e-39])
@pytest.mark.parametrize("d", [1, 3, 7, 129, 500])
def test_a_constant_row_is_exactly_zero_at_any_magnitude(value, d, dtype):
    """A rounded mean leaves x - mu = 1e23 at x = 1e30, which would pass for variance."""
    x = np.full((2, d), value, dtype)
    _, cache = layer_norm_forward(x, np.ones(d, dtype), np.zeros(d, dtype))
    assert not cache.xhat.any()


def test_a_gradient_has_no_part_along_ones_or_xhat():
    rng = np.random.default_rng(1)
    x, weight, bias, dy = (rng.standard_normal(s) for s in ((4, 9), (9,), (9,), (4, 9)))
    _, cache = layer_norm_forward(x, weight, bias, eps=1e-300)
    dx, _, _ = layer_norm_backward(dy, cache)
    np.testing.assert_allclose(dx.sum(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose((dx * cache.xhat).sum(axis=-1), 0, atol=1e-14)


def test_shifting_and_stretching_a_row_change_nothing():
    rng = np.random.default_rng(2)
    x = rng.integers(-8, 8, (4, 8)).astype(np.float64)
    ones, zeros = np.ones(8), np.zeros(8)
    y, _ = layer_norm_forward(x, ones, zeros, eps=1e-300)
    moved, _ = layer_norm_forward(4 * x + 1024, ones, zeros, eps=1e-300)
    np.testing.assert_allclose(moved, y, atol=1e-15)


def test_one_feature_passes_no_gradient_to_x():
    _, cache = layer_norm_forward(np.array([[2.0], [5.0]]), np.array([3.0]), np.array([1.0]))
    dx, dweight, dbias = layer_norm_backward(np.array([[1.0], [2.0]]), cache)
    assert not dx.any()
    assert not dweight.any()
    assert dbias == 3


def test_parameter_gradients_over_many_float32_rows():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((50_000, 4), dtype=np.float32)
    dy = rng.standard_normal((50_000, 4), dtype=np.float32) + np.float32(2)
    _, cache = layer_norm_forward(x, np.ones(4, np.float32), np.ones(4, np.float32))
    _, dweight, dbias = layer_norm_backward(dy, cache)
    eps = np.finfo(np.float32).eps
    for ours, terms in ((dweight, dy * cache.xhat.astype(np.float64)), (dbias, dy)):
        scale = np.abs(terms).sum(axis=0, dtype=np.float64)
        assert (np.abs(ours - terms.sum(axis=0, dtype=np.float64)) / scale).max() < 30 * eps
