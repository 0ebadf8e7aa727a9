r"""Sinusoidal positions (Vaswani et al., 2017, section 3.5). They have no gradient.

Shapes      positions : (T, D)

Forward     positions[t, 2i]     = sin(t / 10000^(2i / D))
            positions[t, 2i + 1] = cos(t / 10000^(2i / D))

Reading     Each pair of columns is a hand of a clock; the first turns once in 2 pi positions,
            the last in nearly 10000 * 2 pi. Moving by k positions turns every hand by a fixed
            angle, so a linear map can look k positions back, wherever it stands.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.ops.array import Array


def sinusoidal_positions(length: int, d_model: int, *, dtype: Any = np.float32) -> Array:
    """positions (length, d_model); an odd d_model ends on a sine."""
    even = np.arange(0, d_model, 2)  # (ceil(D / 2),)
    angles = np.arange(length)[:, None] / 10_000.0 ** (even / max(d_model, 1))
    positions = np.empty((length, d_model), dtype)
    positions[:, 0::2] = np.sin(angles)
    positions[:, 1::2] = np.cos(angles[:, : d_model // 2])
    return positions
