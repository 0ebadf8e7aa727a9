"""The settings of self-attention, for families whose layers may differ in it.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from npformer.fields import check
from npformer.models.stack_config import StackConfig

TURNING = ("rotary", "rotary_interleaved")
"""Positions that turn queries and keys in every layer."""
BIASING = ("alibi", "t5")
"""Positions that are a bias of the scores in every layer."""


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(StackConfig):
    """What a layer's self-attention may be; the defaults are those of 2017."""

    kv_heads: int | None = None
    """Heads of keys and values, each read by heads / kv_heads heads; as many as heads if None."""
    head_size: int | None = None
    """Size of a head (H); d_model / heads unless given."""
    attention_bias: Literal["all", "qkv", "none"] = "all"
    """Which of attention's projections have a bias: all, all but the last, none."""
    feed_forward_bias: bool = True
    """Whether the feed-forward network's projections have a bias."""
    qk_norm: Literal["none", "head", "full"] = "none"
    """A norm of queries and keys before they turn: of each head, or of all heads together."""
    attention_scale: float | None = None
    """Factor of the scores; 1 / sqrt(H) unless given."""
    softcap: float | None = None
    """Scores are held within this much of 0, by tanh."""
    sinks: bool = False
    """Each head learns a score that takes part in the softmax and has no value."""
    attention_gate: bool = False
    """A sigmoid of another projection multiplies what the heads found."""
    window: int | None = None
    """Keys that a query of a local layer sees, its own among them."""
    window_pattern: str = ""
    """Which layers are local (L) and which global (G), from the first and again; empty: all L."""
    rotary_fraction: float = 1.0
    """Share of a head's columns that turn, with rotary positions."""
    rotary_theta: float = 10_000.0
    """Base of the frequencies, with rotary positions."""
    rotary_theta_local: float | None = None
    """That of local layers, where it is another."""
    rotary_scaling: Literal["default", "linear", "ntk", "yarn", "llama3"] = "default"
    """How frequencies are lowered for texts longer than those of training; not in local layers
    that have a theta of their own."""
    rotary_factor: float = 1.0
    """How many times longer, with rotary_scaling."""
    rotary_original_length: int = 0
    """The length of training, for yarn and llama3."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_size is None:
            check(
                self.d_model % self.heads == 0,
                f"heads is {self.heads}, which does not divide d_model, {self.d_model}; "
                "choose heads that do, or give head_size",
            )
        for name in ("kv_heads", "head_size", "window"):
            size = getattr(self, name)
            check(
                size is None or size >= 1, f"{name} is {size}; it must be 1 or more, or not given"
            )
        check(
            self.kv_heads is None or self.heads % self.kv_heads == 0,
            f"kv_heads is {self.kv_heads}, which does not divide heads, {self.heads}; "
            "choose one of "
            + ", ".join(str(n) for n in range(1, self.heads + 1) if self.heads % n == 0),
        )
        for name in ("softcap", "attention_scale", "rotary_theta_local"):
            value = getattr(self, name)
            check(value is None or value > 0, f"{name} is {value}; it must be > 0, or not given")
        self._check_windows()
        self._check_rotation()

    def _check_windows(self) -> None:
        pattern = self.window_pattern
        check(
            not set(pattern) - set("LG"),
            f"window_pattern is {pattern!r}; write L for a local layer and G for a global one, "
            "such as LLLLLG",
        )
        check(
            not pattern or self.window is not None or "L" not in pattern,
            f"window_pattern is {pattern!r} and there is no window; give window, the keys that a "
            "local layer sees",
        )
        check(
            self.rotary_theta_local is None or self.window is not None,
            "rotary_theta_local is that of local layers, and there is no window",
        )

    def _check_rotation(self) -> None:
        own = {f.name: f.default for f in dataclasses.fields(AttentionConfig)}
        changed = [
            name
            for name, default in own.items()
            if name.startswith("rotary_") and name != "rotary_scaling"
            if getattr(self, name) != default
        ]
        if self.positions not in TURNING:
            check(
                not changed,
                f"{', '.join(changed)} is for rotary positions, and positions is "
                f"{self.positions!r}",
            )
            return
        check(
            0 < self.rotary_fraction <= 1,
            f"rotary_fraction is {self.rotary_fraction}; it must be in (0, 1]",
        )
        width = self.rotary_width
        check(
            width >= 2 and width % 2 == 0,
            f"rotary_fraction is {self.rotary_fraction}, {width} of a head's {self.size_of_head} "
            "columns; it must be 2 or more and an even number, for columns turn in pairs",
        )
        check(self.rotary_theta > 1, f"rotary_theta is {self.rotary_theta}; it must be > 1")
        scaled = self.rotary_scaling != "default"
        check(
            self.rotary_factor >= 1 and (scaled or self.rotary_factor == 1),
            f"rotary_factor is {self.rotary_factor}; it must be 1 or more, and goes with "
            "rotary_scaling",
        )
        needs = self.rotary_scaling in ("yarn", "llama3")
        check(
            (self.rotary_original_length >= 1) == needs,
            f"rotary_original_length is {self.rotary_original_length}; yarn and llama3 need it, "
            "the length of training, and no other rotary_scaling does",
        )

    @property
    def size_of_head(self) -> int:
        """H."""
        return self.d_model // self.heads if self.head_size is None else self.head_size

    @property
    def rotary_width(self) -> int:
        """Columns of a head that turn."""
        return round(self.rotary_fraction * self.size_of_head)

    def is_local(self, layer: int) -> bool:
        """Whether a layer, counted from 0, looks through the window."""
        pattern = self.window_pattern or "L"
        return self.window is not None and pattern[layer % len(pattern)] == "L"

    def attention(self, layer: int) -> dict[str, Any]:
        """The settings of a layer's ``MultiHeadAttention``."""
        local = self.is_local(layer)
        return {
            "kv_heads": self.kv_heads,
            "bias": self.attention_bias,
            "qk_norm": self.qk_norm,
            "norm_type": self.norm_type,
            "eps": self.layer_norm_eps,
            "positions": self._positions(local),
            "window": self.window if local else None,
            "softcap": self.softcap,
            "scale": self.attention_scale,
            "sinks": self.sinks,
            "gate": self.attention_gate,
        }

    def _positions(self, local: bool) -> dict[str, Any] | None:
        """Arguments of ``make_positions``, of those that a layer has and not the embedding."""
        settings: dict[str, Any] = {"name": self.positions, "max_length": self.max_length}
        if self.positions in BIASING:
            return {**settings, "heads": self.heads}
        if self.positions not in TURNING:
            return None
        theta, scaling = self.rotary_theta, self._scaling()
        if local and self.rotary_theta_local is not None:
            theta, scaling = self.rotary_theta_local, None
        return {**settings, "rotary_width": self.rotary_width, "theta": theta, "scaling": scaling}

    def _scaling(self) -> dict[str, Any] | None:
        if self.rotary_scaling == "default":
            return None
        scaling = {"rope_type": self.rotary_scaling, "factor": self.rotary_factor}
        if self.rotary_original_length:
            scaling["original_max_position_embeddings"] = self.rotary_original_length
        if self.rotary_scaling == "llama3":
            scaling |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
        return scaling
