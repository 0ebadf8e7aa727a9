"""Positions by name, as a configuration has them.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, nearest
from npformer.nn.positions.alibi import AlibiPositions
from npformer.nn.positions.base import Positions
from npformer.nn.positions.learned import LearnedPositions
from npformer.nn.positions.relative import RelativePositions
from npformer.nn.positions.rotary import RotaryPositions
from npformer.nn.positions.sinusoidal import SinusoidalPositions

SINUSOIDAL = {
    "sinusoidal": "interleaved",
    "sinusoidal_half": "half",
    "sinusoidal_tensor2tensor": "tensor2tensor",
}
"""Tables of sines and cosines by name, and the layout of each."""
POSITIONS = (
    *SINUSOIDAL,
    "learned",
    "rotary",
    "rotary_interleaved",
    "alibi",
    "t5",
    "none",
)
"""The names that ``make_positions`` knows."""


def make_positions(
    name: str,
    max_length: int,
    d_model: int,
    *,
    first: int = 0,
    rotary_width: int = 0,
    theta: float = 10_000.0,
    scaling: Mapping[str, Any] | None = None,
    sections: Sequence[int] = (),
    interleaved_sections: bool = False,
    heads: int = 0,
    buckets: int = 32,
    max_distance: int = 128,
    bidirectional: bool = False,
    rng: np.random.Generator,
    dtype: DTypeLike,
) -> Positions:
    """The positions of that name.

    ``first`` is a text's first position, for sinusoidal ones.

    ``rotary_width`` to ``interleaved_sections`` are for rotary ones, ``heads`` for alibi and t5,
    ``buckets`` to ``bidirectional`` for t5.

    Raises ConfigError, with the nearest, if there are none of that name, and as each kind does.
    """
    if name not in POSITIONS:
        raise ConfigError(
            f"positions {name!r} do not exist; choose one of {', '.join(POSITIONS)}"
            + nearest(name, POSITIONS)
        )
    if name == "learned":
        return LearnedPositions(max_length, d_model, rng=rng, dtype=dtype)
    if name in SINUSOIDAL:
        return SinusoidalPositions(max_length, d_model, SINUSOIDAL[name], first, dtype=dtype)
    if name in ("rotary", "rotary_interleaved"):
        return RotaryPositions(
            max_length,
            rotary_width,
            "half" if name == "rotary" else "interleaved",
            theta=theta,
            scaling=scaling,
            sections=sections,
            interleaved_sections=interleaved_sections,
            dtype=dtype,
        )
    if name == "alibi":
        return AlibiPositions(heads, dtype=dtype)
    if name == "t5":
        return RelativePositions(heads, buckets, max_distance, bidirectional, rng=rng, dtype=dtype)
    return Positions()
