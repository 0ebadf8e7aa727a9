"""The settings of a head and of how its columns turn, for families with rotary positions.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from npformer.errors import ConfigError
from npformer.fields import check
from npformer.models.stack_config import StackConfig
from npformer.ops.rotary_tables import rotary_frequencies

TURNING = ("rotary", "rotary_interleaved")
"""Positions that turn queries and keys in every layer."""
SETTINGS = {
    "llama3": ("low_freq_factor", "high_freq_factor"),
    "yarn": ("beta_fast", "beta_slow", "attention_factor", "truncate"),
    "longrope": ("short_factor", "long_factor", "attention_factor"),
}
"""What a scaling has besides its factor; a field has such a name after rotary_."""
TRAINED = ("yarn", "llama3", "longrope")
"""Scalings that ask for the length of training."""


@dataclass(frozen=True, kw_only=True)
class RotaryConfig(StackConfig):
    """How the columns of a head turn; the fields are read with rotary positions alone."""

    head_size: int | None = None
    """Size of a head (H); d_model / heads unless given."""
    rotary_fraction: float = 1.0
    """Share of a head's columns that turn, with rotary positions; with proportional scaling, share
    of the points that pair columns of the whole head."""
    rotary_pattern: str = ""
    """Which layers turn (R) and which have no positions (N), from the first and again; empty: all
    turn."""
    rotary_theta: float = 10_000.0
    """Base of the frequencies, with rotary positions."""
    rotary_theta_local: float | None = None
    """That of local layers, where it is another."""
    rotary_scaling: Literal[
        "default", "linear", "ntk", "yarn", "llama3", "longrope", "proportional"
    ] = "default"
    """How frequencies are lowered for texts longer than those of training; proportional: to 0 but
    for rotary_fraction of them. Not in local layers that have a theta of their own."""
    rotary_factor: float = 1.0
    """How many times longer, with rotary_scaling."""
    rotary_original_length: int = 0
    """The length of training, for yarn, llama3 and longrope."""
    rotary_low_freq_factor: float = 1.0
    """Turns in the length of training up to which llama3 divides a frequency by the factor."""
    rotary_high_freq_factor: float = 4.0
    """Turns from which llama3 leaves a frequency as it is."""
    rotary_beta_fast: float = 32.0
    """Turns in the length of training from which yarn leaves a frequency as it is."""
    rotary_beta_slow: float = 1.0
    """Turns up to which yarn divides a frequency by the factor."""
    rotary_attention_factor: float | None = None
    """Factor of cosines and sines; unless given, with yarn 0.1 ln(rotary_factor) + 1, with longrope
    sqrt(1 + ln(rotary_factor) / ln(rotary_original_length))."""
    rotary_truncate: bool = True
    """Whether yarn rounds to whole columns where its two bounds lie; gpt-oss's models do not."""
    rotary_short_factor: tuple[float, ...] = ()
    """By what longrope divides each frequency where max_length is no more than the length of
    training; a number for each two columns that turn."""
    rotary_long_factor: tuple[float, ...] = ()
    """By what it divides them where max_length is more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        size = self.head_size
        check(size is None or size >= 1, f"head_size is {size}; it must be 1 or more, or not given")
        self._check_heads()
        if self.positions not in TURNING:
            changed = self._changed()
            check(
                not changed,
                f"{', '.join(changed)} is for rotary positions, and positions is "
                f"{self.positions!r}",
            )
            return
        self._check_rotation()
        self._check_scaling()

    def _check_heads(self) -> None:
        check(
            self.head_size is not None or self.d_model % self.heads == 0,
            f"heads is {self.heads}, which does not divide d_model, {self.d_model}; "
            "choose heads that do, or give head_size",
        )

    def _check_rotation(self) -> None:
        check(
            0 < self.rotary_fraction <= 1,
            f"rotary_fraction is {self.rotary_fraction}; it must be in (0, 1]",
        )
        self._check_width("head_size", self.size_of_head)
        check(
            not set(self.rotary_pattern) - set("RN"),
            f"rotary_pattern is {self.rotary_pattern!r}; write R for a layer that turns and N for "
            "one without positions, such as RRRN",
        )
        for name in ("rotary_theta", "rotary_theta_local"):
            theta = getattr(self, name)
            check(theta is None or theta > 1, f"{name} is {theta}; it must be > 1")

    def _check_width(self, name: str, size: int) -> None:
        """That of heads of ``size`` columns, which the field ``name`` says, pairs turn."""
        width = self.turning(size)
        check(
            width >= 2 and width % 2 == 0,
            f"rotary_fraction is {self.rotary_fraction}, {width} of a head's {size} columns; it "
            "must be 2 or more and an even number, for columns turn in pairs; choose another "
            f"{name}, heads or rotary_fraction",
        )

    def _check_scaling(self) -> None:
        kind = self.rotary_scaling
        check(
            self.rotary_factor >= 1 and (kind != "default" or self.rotary_factor == 1),
            f"rotary_factor is {self.rotary_factor}; it must be 1 or more, and goes with "
            "rotary_scaling",
        )
        check(
            (self.rotary_original_length >= 1) == (kind in TRAINED),
            f"rotary_original_length is {self.rotary_original_length}; {', '.join(TRAINED)} "
            "need it, the length of training, and no other rotary_scaling does",
        )
        for field in self._changed():
            having = [k for k, names in SETTINGS.items() if field.removeprefix("rotary_") in names]
            check(
                not having or kind in having,
                f"{field} goes with rotary_scaling {' or '.join(having)}, and it is {kind!r}",
            )
        try:
            for width in self.scaled_widths:
                rotary_frequencies(width, self.rotary_theta, self._scaling())
        except ConfigError as error:
            raise ConfigError(f"rotary_scaling {kind}: {error}") from None

    def _changed(self) -> list[str]:
        """Fields of rotation that are not what they are by default."""
        own = {f.name: f.default for f in dataclasses.fields(RotaryConfig)}
        return [
            name
            for name, default in own.items()
            if name.startswith("rotary_") and name != "rotary_scaling"
            if getattr(self, name) != default
        ]

    @property
    def size_of_head(self) -> int:
        """H."""
        return self.d_model // self.heads if self.head_size is None else self.head_size

    @property
    def rotary_width(self) -> int:
        """Columns of a head that turn."""
        return self.turning(self.size_of_head)

    def turning(self, size: int) -> int:
        """Columns that turn of a head of ``size``."""
        if self.rotary_scaling == "proportional":
            return size  # some of them by an angle of 0
        return round(self.rotary_fraction * size)

    @property
    def scaled_widths(self) -> tuple[int, ...]:
        """Columns that turn in heads of each size whose rotation is scaled."""
        return (self.rotary_width,)

    def turns(self, layer: int) -> bool:
        """Whether a layer, counted from 0, turns its queries and keys."""
        pattern = self.rotary_pattern or "R"
        return self.positions in TURNING and pattern[layer % len(pattern)] == "R"

    def rotation(self, local: bool) -> dict[str, Any]:
        """Arguments of ``make_positions`` for rotary positions in a local or a global layer."""
        theta, scaling = self.rotary_theta, self._scaling()
        if local and self.rotary_theta_local is not None:
            theta, scaling = self.rotary_theta_local, None
        return {"rotary_width": self.rotary_width, "theta": theta, "scaling": scaling}

    def _scaling(self) -> dict[str, Any] | None:
        """As ``rotary_frequencies`` takes it."""
        kind = self.rotary_scaling
        if kind == "default":
            return None
        scaling: dict[str, Any] = {"rope_type": kind, "factor": self.rotary_factor}
        if kind in TRAINED:
            scaling["original_max_position_embeddings"] = self.rotary_original_length
        if kind == "proportional":
            scaling["partial_rotary_factor"] = self.rotary_fraction
        if kind == "longrope":
            scaling["max_position_embeddings"] = self.max_length
        return scaling | {name: getattr(self, f"rotary_{name}") for name in SETTINGS.get(kind, ())}
