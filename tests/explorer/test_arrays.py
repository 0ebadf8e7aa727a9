"""What the page keeps of a tensor: three digits at any size, and of a block the largest entry."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.explorer.arrays import Arrays, decode, encode, pool


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1.0, 6e4, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_three_digits_at_any_size(size, dtype):
    values = (np.random.default_rng(0).standard_normal((5, 7)) * size).astype(dtype)
    kept = decode(encode(values), values.shape)
    np.testing.assert_allclose(kept, values, rtol=2.0**-11, atol=np.abs(values).max() * 2.0**-39)


def test_zeros_infinities_and_nan_stay_what_they_are():
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.0], np.float32)
    np.testing.assert_array_equal(decode(encode(values), (6,)), values)


def test_integers_and_masks_are_exact():
    ids = np.array([0, 3, 36_999, 2**31 - 1])
    np.testing.assert_array_equal(decode(encode(ids), (4,)), ids)
    np.testing.assert_array_equal(decode(encode(ids > 5), (4,)), [0, 0, 1, 1])


def test_a_pooled_cell_is_the_largest_in_magnitude_with_its_sign():
    panel = np.array([[[1.0, -9.0, 2.0], [3.0, 4.0, -5.0], [0.0, 0.5, -0.25]]])
    np.testing.assert_array_equal(pool(panel, 2, 2), [[[-9.0, -5.0], [0.5, -0.25]]])
    np.testing.assert_array_equal(pool(panel, 1, 1), panel)


def test_range_and_rms_are_of_the_whole_tensor():
    values = np.random.default_rng(1).standard_normal((1, 300, 1000)).astype(np.float32)
    arrays = Arrays()
    entry = arrays.entries[arrays.add(values)]
    assert entry["shape"] == [1, 300, 1000]
    assert entry["view"] == [1, 100, 125]
    assert entry["block"] == [3, 8]
    assert (entry["min"], entry["max"]) == pytest.approx((values.min(), values.max()), rel=1e-5)
    assert entry["rms"] == pytest.approx(np.sqrt(np.square(values).mean()), rel=1e-5)


def test_heads_become_panels_in_either_layout():
    rng = np.random.default_rng(2)
    arrays = Arrays()
    q, probs = rng.standard_normal((1, 5, 3, 4)), rng.standard_normal((1, 3, 5, 6))
    as_q, as_probs = arrays.add(q, name="q"), arrays.add(probs, name="probs")
    kept = decode(arrays.entries[as_q], (3, 5, 4))
    np.testing.assert_allclose(kept, q[0].swapaxes(0, 1), rtol=1e-3, atol=1e-9)
    kept = decode(arrays.entries[as_probs], (3, 5, 6))
    np.testing.assert_allclose(kept, probs[0], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 4), (1, 3, 4), (2, 3, 4), (0, 3)])
def test_every_rank_has_a_view_of_rows_and_columns(shape):
    arrays = Arrays()
    entry = arrays.entries[arrays.add(np.ones(shape, np.float32))]
    assert entry["shape"] == list(shape)
    assert len(entry["view"]) == 3
    assert np.prod(entry["view"]) == np.prod(shape)


def test_an_array_that_comes_again_is_held_once():
    arrays = Arrays()
    x = np.arange(6.0).reshape(1, 2, 3)
    assert arrays.add(x) == arrays.add(x.copy())
    assert arrays.add(x) != arrays.add(x.reshape(1, 3, 2))
    assert arrays.add(x) != arrays.add(x.astype(np.float32))
    assert len(arrays.entries) == 3
