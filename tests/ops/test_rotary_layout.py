"""Weights of one layout of rotary columns make the same model in the other."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.ops.rotary import rotary_forward
from npformer.ops.rotary_layout import reordered_heads, rotary_order
from npformer.ops.rotary_tables import rotary_frequencies, rotary_tables

N, H, D = 3, 8, 5
OTHER = {"half": "interleaved", "interleaved": "half"}


def scores(x, q_weight, k_weight, width, layout):
    tables = rotary_tables(np.arange(x.shape[1]), rotary_frequencies(width)[0], dtype=np.float64)
    q, k = (
        rotary_forward((x @ w.T).reshape(*x.shape[:2], N, H), *tables, layout=layout)[0]
        for w in (q_weight, k_weight)
    )
    return np.einsum("btnh,bsnh->bnts", q, k)


@pytest.mark.parametrize("layout", OTHER)
@pytest.mark.parametrize("width", [2, 4, 8])
def test_reordered_weights_in_the_other_layout_give_the_same_scores(layout, width):
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((2, 4, D)), rng.standard_normal((2, N * H, D))
    expected = scores(x, *weights, width, layout)
    moved = [reordered_heads(w, N, width, OTHER[layout]) for w in weights]
    np.testing.assert_allclose(scores(x, *moved, width, OTHER[layout]), expected, atol=1e-12)
    if width > 2:
        kept = scores(x, *weights, width, OTHER[layout])
        np.testing.assert_allclose(kept[:, :, 0, 0], expected[:, :, 0, 0], atol=1e-12)
        assert np.abs(kept - expected).max() > 0.1


@pytest.mark.parametrize("width", [0, 2, 6, 8])
def test_there_and_back_is_nothing(width):
    bias = np.arange(N * H)
    there = reordered_heads(bias, N, width, "interleaved")
    np.testing.assert_array_equal(reordered_heads(there, N, width, "half"), bias)


def test_the_order_of_a_published_conversion():
    """Llama's own weights are interleaved, and transformers' of halves (its conversion script)."""
    rng = np.random.default_rng(0)
    theirs = rng.standard_normal((N * H, D))
    published = theirs.reshape(N, H // 2, 2, D).swapaxes(1, 2).reshape(N * H, D)
    np.testing.assert_array_equal(reordered_heads(theirs, N, H, "half"), published)
    assert rotary_order(6, 4, "interleaved").tolist() == [0, 2, 1, 3, 4, 5]


@pytest.mark.parametrize("width", [3, -2, 10])
def test_a_width_that_cannot_be(width):
    with pytest.raises(ConfigError, match=f"rotary width is {width}; it must be even"):
        rotary_order(8, width, "half")


def test_heads_that_do_not_divide():
    with pytest.raises(ConfigError, match="heads is 3, which does not divide the 8 rows"):
        reordered_heads(np.zeros((8, 2)), 3, 2, "half")
