"""What a mask promises of the whole layer, its projections included."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.nn import MultiHeadAttention
from npformer.nn.key_value_cache import KeysValues, KeyValueCache

B, T, S, D = 2, 3, 5, 6


def layer() -> MultiHeadAttention:
    return MultiHeadAttention(D, 2, rng=np.random.default_rng(0), dtype=np.float64)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize("worst", [np.nan, np.inf, 1e308])
def test_a_hidden_row_of_the_memory_may_be_no_number(worst):
    mask = (np.arange(S) < np.array([[3], [4]]))[:, None, None, :]  # (B, 1, 1, S)

    def run(padding):
        memory = np.where(mask[:, 0, 0, :, None], drawn(B, S, D), padding)
        attention = layer()
        y, cache = attention.forward(drawn(B, T, D), memory, mask)
        gradients = attention.backward(drawn(B, T, D) + 1, cache)
        return [y, *gradients, *(p.grad for p in attention.parameters())]

    for found, expected in zip(run(worst), run(0.0), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_kept_keys_and_values_that_are_hidden_may_be_no_number():
    mask = np.arange(S) != 1

    def given(value):
        k, v = drawn(B, S, 2, 3), drawn(B, S, 2, 3) + 1
        k[:, 1], v[:, 1] = value, -value
        return layer().forward(drawn(B, T, D), KeysValues(k, v), mask)[0]

    def step(value):
        """The first of S positions is padding, as it is in a batch that is padded on the left."""
        kept = KeyValueCache(S)
        x = drawn(B, S, D)
        layer().forward(np.full_like(x[:, :1], value), kept=kept)
        return layer().forward(x[:, 1:], mask=np.arange(S) != 0, causal=True, kept=kept)[0]

    for call in (given, step):
        np.testing.assert_allclose(call(np.nan), call(0.0), rtol=1e-12)
