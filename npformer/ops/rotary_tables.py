r"""Cosines and sines of rotary positions, and the scalings that stretch them to longer texts.

Shapes      frequencies : (R/2,)    positions : (...)    cos, sin : (..., R/2)

Forward     w_i      = theta^(-2 i / R)                     i = 0, ..., R/2 - 1
            cos, sin = m cos(t w_i), m sin(t w_i)           t a position; m = 1 unless said

            A model that was trained on L positions is to read f L of them. Every scaling lowers
            frequencies, each to a different degree; with k_i from 0 to 1 how much of w_i is kept,

                w_i' = w_i (k_i + (1 - k_i) / f)

                linear (Chen et al., 2023, arXiv:2306.15595)      k_i = 0
                llama3 (arXiv:2407.21783)                         k_i by the turns in L positions,
                    from 0 at low_freq_factor turns to 1 at high_freq_factor
                yarn (Peng et al., 2023, arXiv:2309.00071)        k_i by i, from 1 where beta_fast
                    turns fit into L positions to 0 where beta_slow do; and m = 0.1 ln f + 1

            longrope (Ding et al., 2024, arXiv:2402.13753) divides each frequency by a number of its
            own, which was searched for: w_i' = w_i / short_factor_i in a model of up to L
            positions, w_i / long_factor_i in one of more, with m = sqrt(1 + ln f / ln L) in both.

            ntk (bloc97, 2023) takes theta f^(R / (R - 2)) for theta instead, which leaves the first
            frequency as it is and divides the last by f. The one that is called dynamic is ntk
            with f S / L - (f - 1) for f, where S > L is the length of a sequence.

            proportional (Gemma 4) turns a share p of the points of a whole head: w_i' = w_i / f for
            i < p R/2, and 0 from there on. It is not R = p H without a scaling, where other columns
            are paired, and points turn at other speeds.

Reading     Point i turns L w_i / (2 pi) times in L positions. A fast one tells neighbours apart,
            which must not change; a slow one has not turned once in training, and at f L positions
            would show angles that no weight has seen. m makes the scores of a longer softmax
            larger by m^2, so that it is as sharp as before. In longrope a model chooses between its
            two lists once, by the longest text that it may read: a key that was turned early must
            be turned as one that is turned late.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, check_arguments
from npformer.ops.array import Array
from npformer.ops.checks import check_choice
from npformer.seam import op


class RotaryFrequencies(NamedTuple):
    """How fast each point of a head turns, and what its cosine and sine are multiplied by."""

    frequencies: Array  # (R/2,), radians a position, float64
    factor: float


@op
def rotary_frequencies(
    width: int, theta: float = 10_000.0, scaling: Mapping[str, Any] | None = None
) -> RotaryFrequencies:
    """The frequencies (width / 2,) of the first ``width`` columns of a head.

    ``scaling`` has the names of a published configuration's ``rope_parameters``: ``rope_type``
    (default, linear, ntk, yarn, llama3, longrope, proportional) and what that type needs, such as
    ``factor``.

    Raises ConfigError for a width that is odd or below 2, a theta that is not above 1, and an
    unknown scaling or setting.
    """
    if width < 2 or width % 2:
        raise ConfigError(
            f"the rotary width is {width}; it must be even and 2 or more, for columns turn in pairs"
        )
    if not theta > 1:
        raise ConfigError(f"theta is {theta}; it must be above 1")
    settings = dict(scaling or {})
    kind = settings.pop("rope_type", "default")
    check_choice("rope_type", kind, list(SCALINGS))
    check_arguments(f"rope_type {kind!r}", SCALINGS[kind], settings)
    w = theta ** (-np.arange(0, width, 2) / width)  # (R/2,)
    return SCALINGS[kind](w, theta, **settings)


def rotary_tables(
    positions: Array, frequencies: Array, factor: float = 1.0, *, dtype: DTypeLike = np.float32
) -> tuple[Array, Array]:
    """positions (...), frequencies (R/2,) -> cos (..., R/2), sin (..., R/2).

    Angles are float64 whatever the ``dtype``: a float32 angle of 100,000 is off by 0.004.
    """
    angles = np.asarray(positions)[..., None] * frequencies.astype(np.float64)  # (..., R/2)
    return (factor * np.cos(angles)).astype(dtype), (factor * np.sin(angles)).astype(dtype)


def rotary_axes(sections: Sequence[int], *, interleaved: bool = False) -> Array:
    """Of each point (R/2,) the axis whose position turns it, for positions on several axes.

    ``sections`` says how many points each axis has: the first axis the first of them, and so on
    (Wang et al., 2024, arXiv:2409.12191: time, height, width). ``interleaved`` deals the points
    out in turns as long as an axis has some left, and its last turns to the first axis.

    Raises ConfigError for a negative number of points, and for interleaved ones of which the first
    axis has not the most.
    """
    if any(section < 0 for section in sections):
        raise ConfigError(f"sections are {tuple(sections)}; none may be negative")
    if not interleaved:
        return np.repeat(np.arange(len(sections)), sections)
    if max(sections) > sections[0]:
        raise ConfigError(f"sections are {tuple(sections)}; the first axis must have the most")
    axes = np.zeros(sum(sections), np.int64)
    for axis, section in enumerate(sections[1:], 1):
        axes[axis : section * len(sections) : len(sections)] = axis
    return axes


def _default(w: Array, theta: float) -> RotaryFrequencies:
    return RotaryFrequencies(w, 1.0)


def _linear(w: Array, theta: float, *, factor: float) -> RotaryFrequencies:
    return RotaryFrequencies(w * _kept(0.0, factor), 1.0)


def _ntk(w: Array, theta: float, *, factor: float) -> RotaryFrequencies:
    i = np.arange(len(w)) / max(len(w) - 1, 1)  # 0 to 1: of the width, 2 i / (R - 2)
    _kept(0.0, factor)
    return RotaryFrequencies(w * factor**-i, 1.0)


def _llama3(
    w: Array,
    theta: float,
    *,
    factor: float,
    low_freq_factor: float,
    high_freq_factor: float,
    original_max_position_embeddings: int,
) -> RotaryFrequencies:
    if not 0 < low_freq_factor < high_freq_factor:
        raise ConfigError(
            f"low_freq_factor is {low_freq_factor} and high_freq_factor {high_freq_factor}; both "
            "must be above 0, and the first below the second"
        )
    turns = original_max_position_embeddings * w / (2 * math.pi)
    kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
    return RotaryFrequencies(w * _kept(kept, factor), 1.0)


def _yarn(
    w: Array,
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
) -> RotaryFrequencies:
    if not 0 < beta_slow <= beta_fast:
        raise ConfigError(
            f"beta_slow is {beta_slow} and beta_fast {beta_fast}; both must be above 0, and the "
            "first not above the second"
        )

    def index(turns: float) -> float:
        """The point, a fraction too, that turns so often in the original positions."""
        longest = original_max_position_embeddings / (2 * math.pi * turns)
        return len(w) * math.log(longest) / math.log(theta)

    fast, slow = index(beta_fast), index(beta_slow)
    if truncate:
        fast, slow = math.floor(fast), math.ceil(slow)
    fast, slow = max(fast, 0), min(slow, 2 * len(w) - 1)
    kept = 1 - (np.arange(len(w)) - fast) / (slow - fast or 0.001)
    if attention_factor is None:
        both = (mscale, mscale_all_dim) if mscale and mscale_all_dim else (1.0, 0.0)
        above, below = (0.1 * each * math.log(max(factor, 1.0)) + 1 for each in both)
        attention_factor = above / below
    return RotaryFrequencies(w * _kept(kept, factor), _checked(attention_factor))


def _longrope(
    w: Array,
    theta: float,
    *,
    factor: float,
    original_max_position_embeddings: int,
    max_position_embeddings: int,
    short_factor: Sequence[float],
    long_factor: Sequence[float],
    attention_factor: float | None = None,
) -> RotaryFrequencies:
    for name, each in (("short_factor", short_factor), ("long_factor", long_factor)):
        if len(each) != len(w):
            raise ConfigError(
                f"{name} has {len(each)} numbers; a rotary width of {2 * len(w)} has {len(w)} "
                "frequencies, and each is divided by one"
            )
        if not min(each) > 0:
            raise ConfigError(f"{name} has {min(each)}; every number must be above 0")
    longer = max_position_embeddings > original_max_position_embeddings
    if attention_factor is None:
        attention_factor = 1.0
        if factor > 1:
            ratio = math.log(factor) / math.log(original_max_position_embeddings)
            attention_factor = math.sqrt(1 + ratio)
    divisors = np.asarray(long_factor if longer else short_factor, np.float64)
    return RotaryFrequencies(w / divisors, _checked(attention_factor))


def _proportional(
    w: Array, theta: float, *, partial_rotary_factor: float, factor: float = 1.0
) -> RotaryFrequencies:
    points = math.floor(partial_rotary_factor * len(w))
    if not 1 <= points <= len(w):
        raise ConfigError(
            f"partial_rotary_factor is {partial_rotary_factor}, {points} of {len(w)} points; at "
            "least one must turn, and at most all"
        )
    turning = np.arange(len(w)) < points
    return RotaryFrequencies(np.where(turning, w * _kept(0.0, factor), 0.0), 1.0)


def _checked(attention_factor: float) -> float:
    if not attention_factor > 0:
        raise ConfigError(f"attention_factor is {attention_factor}; it must be above 0")
    return attention_factor


def _kept(kept: Array | float, factor: float) -> Array | float:
    """What frequencies are multiplied by, where ``kept`` of them, cut to 0 to 1, is kept."""
    if not factor > 0:
        raise ConfigError(f"factor is {factor}; it must be above 0")
    kept = np.clip(kept, 0.0, 1.0)
    return kept + (1 - kept) / factor


SCALINGS: dict[str, Callable[..., RotaryFrequencies]] = {
    "default": _default,
    "linear": _linear,
    "ntk": _ntk,
    "yarn": _yarn,
    "llama3": _llama3,
    "longrope": _longrope,
    "proportional": _proportional,
}
"""By name; their keyword arguments are what a scaling of that name may set."""
