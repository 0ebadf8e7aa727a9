"""Masks for attention: boolean, True = may attend, made to broadcast to (B, N, T, S).

Chapter     walkthroughs/06_attention.md
"""

from __future__ import annotations

import numpy as np

from npformer.ops.array import Array


def padding_mask(ids: Array, padding_id: int) -> Array:
    """ids (B, S) -> (B, 1, 1, S): every query may attend to every key that is not padding."""
    return (ids != padding_id)[:, None, None, :]


def causal_mask(t: int, s: int | None = None) -> Array:
    """(t, s), or (t, t): the last query sees every key, each one before it a key less.

    With as many keys as queries, query i sees the keys 0 ... i. Where there are more, the first
    s - t are those of a cache, which every query sees; where there are fewer, the first t - s
    queries see none.
    """
    s = t if s is None else s
    return np.tri(t, s, s - t, dtype=bool)
