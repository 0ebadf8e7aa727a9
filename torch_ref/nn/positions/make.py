"""Positions by name, as a configuration has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from npformer.errors import ConfigError
from torch_ref.nn.positions.alibi import AlibiPositions
from torch_ref.nn.positions.base import Positions
from torch_ref.nn.positions.learned import LearnedPositions
from torch_ref.nn.positions.relative import RelativePositions
from torch_ref.nn.positions.rotary import RotaryPositions
from torch_ref.nn.positions.sinusoidal import SinusoidalPositions

SINUSOIDAL = {
    "sinusoidal": "interleaved",
    "sinusoidal_half": "half",
    "sinusoidal_tensor2tensor": "tensor2tensor",
}


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
    dtype: torch.dtype,
    device: torch.device | str | None,
) -> Positions:
    """The positions of that name.

    ``first`` is a text's first position, for sinusoidal ones.

    ``rotary_width`` to ``interleaved_sections`` are for rotary ones, ``heads`` for alibi and t5,
    ``buckets`` to ``bidirectional`` for t5.

    Raises ConfigError if there are none of that name, and as each kind does.
    """
    place: dict[str, Any] = {"dtype": dtype, "device": device}
    if name == "learned":
        return LearnedPositions(max_length, d_model, **place)
    if name in SINUSOIDAL:
        return SinusoidalPositions(max_length, d_model, SINUSOIDAL[name], first, **place)
    if name in ("rotary", "rotary_interleaved"):
        return RotaryPositions(
            max_length,
            rotary_width,
            "half" if name == "rotary" else "interleaved",
            theta=theta,
            scaling=scaling,
            sections=sections,
            interleaved_sections=interleaved_sections,
            **place,
        )
    if name == "alibi":
        return AlibiPositions(heads, **place)
    if name == "t5":
        return RelativePositions(heads, buckets, max_distance, bidirectional, **place)
    if name == "none":
        return Positions()
    raise ConfigError(f"positions {name!r} do not exist")
