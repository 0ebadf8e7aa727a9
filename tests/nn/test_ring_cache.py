"""The cache of a window: what it returns is what a cache of everything would show a query."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from npformer.nn.key_value_cache import SPARE, KeyValueCache, RingCache


@given(st.integers(1, 9), st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(4, 40))
def test_a_ring_returns_what_the_newest_queries_see(window, pieces, most):
    """Positions in order; of the past, those in the first new query's window; no more is kept."""
    ring, whole = RingCache(most, window), KeyValueCache(most)
    at = 0
    for size in pieces:
        if at + size > most:
            break
        new = np.arange(at, at + size, dtype=float)[None, :, None, None]
        at += size
        found, everything = ring.append(new, -new), whole.append(new, -new)
        seen = min(at, window - 1 + size)
        np.testing.assert_array_equal(found.k, everything.k[:, at - seen :])
        np.testing.assert_array_equal(found.v, -found.k)
        assert ring.length == at
        assert ring._kept.k.shape[1] <= window + SPARE


def test_rows_are_chosen():
    ring = RingCache(10, 3)
    rows = np.arange(2.0)[:, None, None, None]
    for _ in range(4):
        ring.append(rows, rows)
    ring.select(np.array([1, 1, 0]))
    found = ring.append(np.full((3, 1, 1, 1), 7.0), np.zeros((3, 1, 1, 1)))
    np.testing.assert_array_equal(found.k[..., 0, 0], [[1, 1, 7], [1, 1, 7], [0, 0, 7]])
