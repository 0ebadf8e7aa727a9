"""Attention in tiles: what its card does not say."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.ops.attention import attention_backward, attention_forward
from npformer.ops.masks import packed_mask, seen_from_to
from npformer.ops.tiled_attention import (
    merged,
    tiled_attention_backward,
    tiled_attention_forward,
)


def inputs(t, s, seed=0, b=1, n=2, h=4):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((b, length, n, h)) for length in (t, s, s, t)]


@pytest.mark.parametrize("size", [255, 256, 257, 513])
def test_lengths_at_the_edges_of_the_usual_tile(size):
    q, k, v, dy = inputs(size, 258)
    options: dict[str, Any] = {"causal": True, "window": 40}
    y, cache = tiled_attention_forward(q, k, v, **options)
    right, plain = attention_forward(q, k, v, **options)
    np.testing.assert_allclose(y, right, atol=1e-13)
    found = tiled_attention_backward(dy, cache)
    for ours, theirs in zip(found, attention_backward(dy, plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_merged_in_any_order_and_number():
    q, k, v, _ = inputs(5, 9)
    right, cache = tiled_attention_forward(q, k, v)
    parts = []
    for part in (slice(6, 9), slice(0, 2), slice(2, 6)):
        y, one = tiled_attention_forward(q, k[:, part], v[:, part])
        parts.append((y, one.lse))
    blind = np.zeros_like(right), np.full_like(cache.lse, -np.inf)
    y, lse = merged(*blind, *blind)
    assert not y.any()
    assert (lse == -np.inf).all()
    for other in parts:
        y, lse = merged(y, lse, *other)
    np.testing.assert_allclose(y, right, atol=1e-14)
    np.testing.assert_allclose(lse, cache.lse, atol=1e-14)


def test_documents_are_each_attended_to_alone():
    q, k, v, dy = inputs(9, 9)
    offsets = np.array([0, 4, 4, 7])
    y, cache = tiled_attention_forward(q, k, v, causal=True, offsets=offsets, tile=2)
    dq, dk, dv = tiled_attention_backward(dy, cache)
    for a, b in ((0, 4), (4, 7)):
        alone, one = attention_forward(q[:, a:b], k[:, a:b], v[:, a:b], causal=True)
        np.testing.assert_allclose(y[:, a:b], alone, atol=1e-14)
        for ours, theirs in zip((dq, dk, dv), attention_backward(dy[:, a:b], one), strict=True):
            np.testing.assert_allclose(ours[:, a:b], theirs, atol=1e-13)
    assert not any(a[:, 7:].any() for a in (y, dq, dk, dv))


def test_what_is_seen_is_an_interval():
    offsets = np.array([0, 2, 5])
    for causal, window in ((True, 2), (False, 3)):
        first, last = seen_from_to(6, 6, causal=causal, window=window, offsets=offsets)
        here = np.arange(6)
        seen = (first[:, None] <= here) & (here < last[:, None])
        far = here[:, None] - here
        near = (far >= 0) & (far < 2) if causal else np.abs(far) < 3
        np.testing.assert_array_equal(seen, near & packed_mask(offsets, 6))


def test_memory_does_not_grow_with_the_matrix():
    """Four times as long: arrays four times as large, and a matrix sixteen times."""

    def peak(length):
        q, k, v, dy = (a.astype(np.float32) for a in inputs(length, length, n=1))
        tracemalloc.start()
        _, cache = tiled_attention_forward(q, k, v, causal=True, window=64, tile=64)
        tiled_attention_backward(dy, cache)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(64)
    assert peak(4096) < 4.5 * peak(1024)


def test_offsets_need_as_many_queries_as_keys():
    q, k, v, _ = inputs(3, 4)
    with pytest.raises(ShapeError, match="3 queries and 4 keys"):
        tiled_attention_forward(q, k, v, offsets=np.array([0, 3]))


def test_a_tile_of_nothing_is_refused():
    q, k, v, _ = inputs(3, 3)
    with pytest.raises(ConfigError, match="tile is 0; it must be at least 1"):
        tiled_attention_forward(q, k, v, tile=0)


def test_no_heads_at_all():
    q, k, v, dy = inputs(3, 4, n=0)
    y, cache = tiled_attention_forward(q, k, v, tile=2)
    found = tiled_attention_backward(dy, cache)
    assert [a.shape for a in (y, *found)] == [(1, 3, 0, 4), q.shape, k.shape, v.shape]
