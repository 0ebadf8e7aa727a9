"""Attention's sums, made of the terms that a query sees: what is hidden may be NaN or inf.

Chapter     walkthroughs/06_attention.md
"""

from __future__ import annotations

import numpy as np

from npformer.ops.array import Array, finite


def dscores_of_seen(seen: Array, probs: Array, dprobs: Array) -> tuple[Array, Array]:
    """seen, probs, dprobs (..., S) -> dscores (..., S), 0 where not seen, and mean (..., 1).

    The mean is that of dprobs, weighted by probs. Neither knows the scale.
    """
    dprobs = np.where(seen, dprobs, 0)
    mean = np.vecdot(dprobs, probs)[..., None]
    return np.where(seen, probs * (dprobs - mean), 0), mean


def sum_of_seen(seen: Array, weights: Array, x: Array) -> Array:
    """weights (..., T, S), 0 where not seen, x (..., S, H) -> sum over seen s (..., T, H)."""
    plain = np.isfinite(x)
    y = weights @ np.where(plain, x, 0)
    seen = np.broadcast_to(seen, weights.shape)
    for s in np.flatnonzero(~plain.all(axis=(0, 1, 3))):
        rest = np.where(plain[..., s, :], 0, x[..., s, :])[..., None, :]  # (..., 1, H)
        y += np.where(seen[..., s, None], weights[..., s, None] * rest, 0)
    return y


def product_of_seen(seen: Array | None, weights: Array, x: Array) -> Array:
    """weights (..., T, S), x (..., S, H) -> (..., T, H), by ``sum_of_seen`` where that matters."""
    y = weights @ x
    return y if seen is None or finite(y) else sum_of_seen(seen, weights, x)
