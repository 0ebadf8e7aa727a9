r"""Sinusoidal positions (Vaswani et al., 2017, section 3.5). They have no gradient.

Shapes      positions : (T, D)

Forward     positions[t, 2i]     = sin(t / 10000^(2i / D))
            positions[t, 2i + 1] = cos(t / 10000^(2i / D))

            in the paper's layout, "interleaved". Marian's, "half", has the same numbers with all
            sines in the first ceil(D / 2) columns and all cosines after them.

Reading     Each pair of columns is a hand of a clock; the first turns once in 2 pi positions,
            the last in nearly 10000 * 2 pi. Moving by k positions turns every hand by a fixed
            angle, so a linear map can look k positions back, wherever it stands. Which columns
            belong together matters to trained weights and to nothing else.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.ops.array import Array
from npformer.ops.checks import check_choice

LAYOUTS = ("interleaved", "half")


def sinusoidal_positions(
    length: int, d_model: int, *, layout: str = "interleaved", dtype: Any = np.float32
) -> Array:
    """positions (length, d_model); with an odd d_model there is a sine more than cosines.

    Raises ``ConfigError`` for a layout that is not one of ``LAYOUTS``.
    """
    check_choice("layout", layout, LAYOUTS)
    even = np.arange(0, d_model, 2)  # (ceil(D / 2),)
    angles = np.arange(length)[:, None] / 10_000.0 ** (even / max(d_model, 1))
    positions = np.empty((length, d_model), dtype)
    sines = positions[:, 0::2] if layout == "interleaved" else positions[:, : len(even)]
    cosines = positions[:, 1::2] if layout == "interleaved" else positions[:, len(even) :]
    sines[...] = np.sin(angles)
    cosines[...] = np.cos(angles[:, : d_model // 2])
    return positions
