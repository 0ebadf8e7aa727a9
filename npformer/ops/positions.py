r"""Sinusoidal positions (Vaswani et al., 2017, section 3.5). They have no gradient.

Shapes      positions : (T, D)

Forward     positions[t, 2i]     = sin(t / 10000^(2i / D))
            positions[t, 2i + 1] = cos(t / 10000^(2i / D))

            in the paper's layout, "interleaved". Marian's, "half", has the same numbers with all
            sines in the first ceil(D / 2) columns and all cosines after them. "tensor2tensor" has
            them there too, and floor(D / 2) hands, the i-th at 10000^(-i / (floor(D / 2) - 1)), so
            that the slowest turns once in 10000 * 2 pi; with an odd D the last column is 0. So do
            fairseq, M2M-100 and Whisper.

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

LAYOUTS = ("interleaved", "half", "tensor2tensor")


def sinusoidal_positions(
    length: int,
    d_model: int,
    *,
    layout: str = "interleaved",
    first: int = 0,
    dtype: Any = np.float32,
) -> Array:
    """positions (length, d_model), from position ``first`` on.

    With an odd d_model there is a sine more than cosines, but in tensor2tensor's layout. Raises
    ``ConfigError`` for a layout that is not one of ``LAYOUTS``.
    """
    check_choice("layout", layout, LAYOUTS)
    place = np.arange(first, first + length)[:, None]
    positions = np.zeros((length, d_model), dtype)
    if layout == "tensor2tensor":
        half = d_model // 2
        angles = place / 10_000.0 ** (np.arange(half) / max(half - 1, 1))
        positions[:, :half], positions[:, half : 2 * half] = np.sin(angles), np.cos(angles)
        return positions
    even = np.arange(0, d_model, 2)  # (ceil(D / 2),)
    angles = place / 10_000.0 ** (even / max(d_model, 1))
    sines = positions[:, 0::2] if layout == "interleaved" else positions[:, : len(even)]
    cosines = positions[:, 1::2] if layout == "interleaved" else positions[:, len(even) :]
    sines[...] = np.sin(angles)
    cosines[...] = np.cos(angles[:, : d_model // 2])
    return positions
