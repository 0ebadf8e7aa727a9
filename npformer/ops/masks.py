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
    """(t, s), or (t, t): query i may attend to the keys 0 ... i and to none after it."""
    return np.tri(t, s, dtype=bool)
