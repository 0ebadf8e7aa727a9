"""The settings of self-attention, for families whose layers may differ in it.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from npformer.errors import ConfigError
from npformer.fields import check
from npformer.models.rotary_config import TURNING, RotaryConfig
from npformer.ops.relative_bias import relative_buckets

BIASING = ("alibi", "t5")
"""Positions that are a bias of the scores in every layer."""


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(RotaryConfig):
    """What a layer's self-attention may be; the defaults are those of 2017."""

    kv_heads: int | None = None
    """Heads of keys and values, each read by heads / kv_heads heads; as many as heads if None."""
    attention_bias: Literal["all", "qkv", "qvo", "none"] = "all"
    """Which of attention's projections have a bias: all, all but the last, all but the keys' (which
    no softmax can see), none."""
    feed_forward_bias: bool = True
    """Whether the feed-forward network's projections have a bias."""
    qk_norm: Literal["none", "head", "full"] = "none"
    """A norm of queries and keys before they turn: of each head, or of all heads together."""
    attention_scale: float | None = None
    """Factor of the scores; 1 / sqrt(H) unless given."""
    scale_by_layer: bool = False
    """Whether the scores of layer n, from 1, are divided by n too (GPT-2's option)."""
    softcap: float | None = None
    """Scores are held within this much of 0, by tanh."""
    sinks: bool = False
    """Each head learns a score that takes part in the softmax and has no value."""
    attention_gate: bool = False
    """A sigmoid of another projection multiplies what the heads found."""
    value_norm: bool = False
    """Whether each head of values has a norm without a weight."""
    window: int | None = None
    """Keys that a query of a local layer sees, its own among them."""
    window_pattern: str = ""
    """Which layers are local (L) and which global (G), from the first and again; empty: all L."""

    relative_buckets: int = 32
    """Distances that t5's positions tell apart, the far ones in ranges."""
    relative_max_distance: int = 128
    """The distance from which t5's positions tell none apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kv_heads", "window"):
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
        for name in ("softcap", "attention_scale"):
            value = getattr(self, name)
            check(value is None or value > 0, f"{name} is {value}; it must be > 0, or not given")
        self._check_windows()
        self._check_relative()

    def _check_relative(self) -> None:
        own = {f.name: f.default for f in dataclasses.fields(AttentionConfig)}
        names = ("relative_buckets", "relative_max_distance")
        changed = [name for name in names if getattr(self, name) != own[name]]
        if self.positions != "t5":
            check(
                not changed,
                f"{', '.join(changed)} is for t5's positions, and positions is {self.positions!r}",
            )
            return
        try:
            for both in (False, True):
                relative_buckets(
                    np.zeros(0, np.int64), self.relative_buckets, both, self.relative_max_distance
                )
        except ConfigError as error:
            raise ConfigError(f"relative_buckets and relative_max_distance: {error}") from None

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

    @property
    def patterns(self) -> tuple[str, ...]:
        """Fields with a letter a layer."""
        return ("window_pattern", "rotary_pattern")

    @property
    def idle(self) -> str:
        """A pattern that is longer than the model is deep, or what only other layers have."""
        depth = max(self.depths)
        for name in self.patterns:
            pattern = getattr(self, name)
            if len(pattern) > depth:
                return (
                    f"{name} is {pattern!r}, {len(pattern)} letters for {depth} layers: the model "
                    f"reads {pattern[:depth]!r} alone; leave the others out"
                )
        for name in self._of_attention:
            if self._changes_no_layer(name):
                return (
                    f"{name} is {getattr(self, name)}, and there is no layer whose attention it "
                    "would change; leave it out"
                )
        return super().idle

    @property
    def _of_attention(self) -> tuple[str, ...]:
        """Fields of what is in attention alone, and no preset gives."""
        return ("sinks", "attention_gate", "softcap", "value_norm")

    def _changes_no_layer(self, name: str) -> bool:
        """Whether all layers' attention is the same without what is given for the field."""
        default: Any = next(f.default for f in dataclasses.fields(self) if f.name == name)
        if getattr(self, name) == default:
            return False
        without, layers = dataclasses.replace(self, **{name: default}), range(max(self.depths))
        return all(without.attention(n) == self.attention(n) for n in layers)

    def is_local(self, layer: int) -> bool:
        """Whether a layer, counted from 0, looks through the window."""
        pattern = self.window_pattern or "L"
        return self.window is not None and pattern[layer % len(pattern)] == "L"

    def head_of(self, layer: int) -> int:
        """H of a layer, counted from 0."""
        return self.size_of_head

    def attention(self, layer: int) -> dict[str, Any]:
        """The settings of a layer's ``MultiHeadAttention``."""
        local = self.is_local(layer)
        return {
            "kv_heads": self.kv_heads,
            "bias": self.attention_bias,
            "qk_norm": self.qk_norm,
            "norm_type": self.norm_type,
            "eps": self.layer_norm_eps,
            "positions": self._positions(layer, local),
            "window": self.window if local else None,
            "softcap": self.softcap,
            "scale": self._scale(layer),
            "sinks": self.sinks,
            "gate": self.attention_gate,
            "value_norm": self.value_norm,
        }

    def _scale(self, layer: int) -> float | None:
        """Factor of a layer's scores, as attention takes it."""
        if not self.scale_by_layer:
            return self.attention_scale
        whole = self.attention_scale
        whole = self.head_of(layer) ** -0.5 if whole is None else whole
        return whole / (layer + 1)

    @property
    def added_positions(self) -> str:
        """The positions that are added to the embeddings; none where they are elsewhere."""
        return "none" if self.positions in (*TURNING, *BIASING) else self.positions

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """The settings of a ``Stack`` of so many layers, in either engine."""
        return {
            "dropout": self.dropout,
            "d_k": self.size_of_head,
            "d_v": self.size_of_head,
            "norm": self.norm,
            "norm_type": self.norm_type,
            "activation": self.activation,
            "bias": self.feed_forward_bias,
            "eps": self.layer_norm_eps,
            "attention": [self.attention(layer) for layer in range(layers)],
            "weight_bits": self.weight_bits,
            "input_bits": self.input_bits,
        }

    def bias(self, bidirectional: bool = False) -> dict[str, Any]:
        """Arguments of ``make_positions`` for those that bias scores."""
        if self.positions != "t5":
            return {"heads": self.heads}
        return {
            "heads": self.heads,
            "buckets": self.relative_buckets,
            "max_distance": self.relative_max_distance,
            "bidirectional": bidirectional,
        }

    def _positions(self, layer: int, local: bool) -> dict[str, Any] | None:
        """Arguments of ``make_positions``, of those that a layer has and not the embedding."""
        settings: dict[str, Any] = {"name": self.positions, "max_length": self.max_length}
        if self.positions in BIASING:
            return {**settings, **self.bias()}
        if not self.turns(layer):
            return None
        return {**settings, **self.rotation(local)}
