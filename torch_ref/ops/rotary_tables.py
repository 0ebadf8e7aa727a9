"""Cosines and sines of rotary positions in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from npformer.errors import ConfigError, check_arguments, nearest


def rotary_tables(
    length: int,
    width: int,
    theta: float = 10_000.0,
    scaling: Mapping[str, Any] | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor]:
    """cos and sin (length, width / 2) of the positions from 0 on.

    Raises ConfigError for a width that is odd or below 2, a theta that is not above 1, and an
    unknown scaling or setting of one.
    """
    if width < 2 or width % 2:
        raise ConfigError(
            f"the rotary width is {width}; it must be even and 2 or more, for columns turn in pairs"
        )
    if not theta > 1:
        raise ConfigError(f"theta is {theta}; it must be above 1")
    settings = dict(scaling or {})
    kind = settings.pop("rope_type", "default")
    if kind not in _SCALINGS:
        raise ConfigError(
            f"rope_type is {kind!r}; choose one of {', '.join(_SCALINGS)}"
            + nearest(kind, _SCALINGS)
        )
    check_arguments(f"rope_type {kind!r}", _SCALINGS[kind], settings)
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    frequencies, factor = _SCALINGS[kind](frequencies, theta, **settings)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies).to(device)
    return (factor * angles.cos()).to(dtype), (factor * angles.sin()).to(dtype)


def rotary_axes(
    sections: Sequence[int],
    *,
    interleaved: bool = False,
    device: torch.device | str | None = None,
) -> Tensor:
    """Of each point (R/2,) the axis whose position turns it: one after the other, or in turns.

    Raises ConfigError for a negative number of points.
    """
    if any(section < 0 for section in sections):
        raise ConfigError(f"sections are {tuple(sections)}; none may be negative")
    counts = torch.tensor(sections, device=device)
    axis = torch.arange(len(sections), device=device)
    if not interleaved:
        return axis.repeat_interleave(counts)
    place = torch.arange(int(counts.sum()), device=device)
    turn = place % len(sections)
    return torch.where(place // len(sections) < counts[turn], turn, 0)


def _default(frequencies: Tensor, theta: float) -> tuple[Tensor, float]:
    return frequencies, 1.0


def _linear(frequencies: Tensor, theta: float, *, factor: float) -> tuple[Tensor, float]:
    return frequencies / _checked(factor), 1.0


def _ntk(frequencies: Tensor, theta: float, *, factor: float) -> tuple[Tensor, float]:
    width = 2 * len(frequencies)
    raised = theta * _checked(factor) ** (width / max(width - 2, 1))
    return raised ** (-torch.arange(0, width, 2, dtype=torch.float64) / width), 1.0


def _llama3(
    frequencies: Tensor,
    theta: float,
    *,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_max_position_embeddings: int,
) -> tuple[Tensor, float]:
    if not 0 < low_freq_factor < high_freq_factor:
        raise ConfigError(
            f"low_freq_factor is {low_freq_factor}, high_freq_factor {high_freq_factor}; they must "
            "be above 0, the first below the second"
        )
    waves = 2 * math.pi / frequencies  # positions that a whole turn takes
    longest = original_max_position_embeddings / low_freq_factor
    shortest = original_max_position_embeddings / high_freq_factor
    smooth = (original_max_position_embeddings / waves - low_freq_factor) / (
        high_freq_factor - low_freq_factor
    )
    stretched = frequencies / _checked(factor)
    between = torch.lerp(stretched, frequencies, smooth)
    frequencies = torch.where(waves < shortest, frequencies, between)
    return torch.where(waves > longest, stretched, frequencies), 1.0


def _yarn(
    frequencies: Tensor,
    theta: float,
    *,
    factor: float,
    original_max_position_embeddings: int,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
    attention_factor: float | None = None,
    mscale: float | None = None,
    mscale_all_dim: float | None = None,
    truncate: bool = True,
) -> tuple[Tensor, float]:
    if not 0 < beta_slow <= beta_fast:
        raise ConfigError(
            f"beta_slow is {beta_slow}, beta_fast {beta_fast}; they must be above 0, the first not "
            "above the second"
        )
    width = 2 * len(frequencies)
    low, high = (
        width * math.log(original_max_position_embeddings / (turns * 2 * math.pi)) / 2
        / math.log(theta)
        for turns in (beta_fast, beta_slow)
    )  # fmt: skip
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    place = torch.arange(len(frequencies), dtype=torch.float64)
    ramp = ((place - low) / (high - low if high != low else 0.001)).clamp(0, 1)
    frequencies = torch.lerp(frequencies, frequencies / _checked(factor), ramp)

    def stretch(m: float) -> float:
        return 0.1 * m * math.log(factor) + 1 if factor > 1 else 1.0

    if attention_factor is None:
        both = mscale and mscale_all_dim
        attention_factor = stretch(mscale) / stretch(mscale_all_dim) if both else stretch(1.0)  # type: ignore[arg-type]
    return frequencies, _checked(attention_factor, "attention_factor")


def _longrope(
    frequencies: Tensor,
    theta: float,
    *,
    factor: float,
    original_max_position_embeddings: int,
    max_position_embeddings: int,
    short_factor: Sequence[float],
    long_factor: Sequence[float],
    attention_factor: float | None = None,
) -> tuple[Tensor, float]:
    for name, each in (("short_factor", short_factor), ("long_factor", long_factor)):
        if len(each) != len(frequencies) or min(each) <= 0:
            raise ConfigError(f"{name} must be {len(frequencies)} numbers above 0")
    longer = max_position_embeddings > original_max_position_embeddings
    own = torch.tensor(long_factor if longer else short_factor, dtype=torch.float64)
    if attention_factor is None:
        grown = math.log(max(factor, 1.0), original_max_position_embeddings)
        attention_factor = (1 + grown) ** 0.5
    return frequencies * own.reciprocal(), _checked(attention_factor, "attention_factor")


def _proportional(
    frequencies: Tensor, theta: float, *, partial_rotary_factor: float, factor: float = 1.0
) -> tuple[Tensor, float]:
    width = 2 * len(frequencies)
    turning = int(partial_rotary_factor * width // 2)
    if not 1 <= turning <= len(frequencies):
        raise ConfigError(
            f"partial_rotary_factor is {partial_rotary_factor}; at least one of "
            f"{len(frequencies)} points must turn, and at most all"
        )
    still = torch.zeros(len(frequencies) - turning, dtype=torch.float64)
    return torch.cat([frequencies[:turning] / _checked(factor), still]), 1.0


def _checked(factor: float, name: str = "factor") -> float:
    if not factor > 0:
        raise ConfigError(f"{name} is {factor}; it must be above 0")
    return factor


_SCALINGS: dict[str, Callable[..., tuple[Tensor, float]]] = {
    "default": _default,
    "linear": _linear,
    "ntk": _ntk,
    "yarn": _yarn,
    "llama3": _llama3,
    "longrope": _longrope,
    "proportional": _proportional,
}
