from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from npformer.ops import dropout_backward, dropout_forward, keep_mask


def test_inference_is_the_identity_itself():
    x = np.ones((2, 3))
    for p, rng in ((0.5, None), (0.0, np.random.default_rng(0)), (0.0, None)):
        y, cache = dropout_forward(x, p, rng)
        assert y is x
        assert cache.keep is None
        assert dropout_backward(x, cache) is x


def test_p_zero_draws_nothing():
    rng = np.random.default_rng(0)
    dropout_forward(np.ones(10), 0.0, rng)
    assert rng.random() == np.random.default_rng(0).random()


def test_what_is_kept_is_scaled_and_the_rest_is_zero_in_both_directions():
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((50, 40)), rng.standard_normal((50, 40))
    y, cache = dropout_forward(x, 0.2, np.random.default_rng(2))
    np.testing.assert_array_equal(y, np.where(cache.keep, x * 1.25, 0))
    np.testing.assert_array_equal(dropout_backward(dy, cache), np.where(cache.keep, dy * 1.25, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mask_can_be_replayed_in_any_precision(dtype):
    y, cache = dropout_forward(np.ones((7, 5), dtype), 0.4, np.random.default_rng(3))
    replayed = keep_mask((7, 5), 0.4, np.random.default_rng(3))
    np.testing.assert_array_equal(cache.keep, replayed)
    np.testing.assert_array_equal(y != 0, replayed)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_that_is_kept(p):
    """200,000 draws: five standard deviations are 0.0056 at most."""
    keep = keep_mask((400, 500), p, np.random.default_rng(4))
    assert keep.dtype == bool
    assert abs(keep.mean() - (1 - p)) < 0.0056


def test_dropping_everything_gives_zero_as_in_pytorch():
    x = np.array([1.0, -2.0])
    y, cache = dropout_forward(x, 1.0, np.random.default_rng(5))
    np.testing.assert_array_equal(y, F.dropout(torch.tensor(x), 1.0).numpy())
    assert not dropout_backward(x, cache).any()


def test_two_calls_draw_two_masks():
    rng = np.random.default_rng(6)
    first, second = (dropout_forward(np.ones(100), 0.5, rng)[1].keep for _ in range(2))
    assert (first != second).any()
