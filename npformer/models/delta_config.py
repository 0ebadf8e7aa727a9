"""The settings of layers that keep a state in place of attention, for families that may have them.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.expert_config import ExpertConfig

KEEPS = {"D": "delta", "K": "kimi", "S": "state_space"}
"""The letters of layers that keep a state, and the names that ``Layer`` has for these."""


@dataclass(frozen=True, kw_only=True)
class DeltaConfig(ExpertConfig):
    """Which layers keep a state, and its sizes; without ``delta_pattern`` none does.

    Raises ConfigError for settings that do not go together.
    """

    delta_pattern: str = ""
    """Which layers keep a state, by the gated delta rule (D), with a decay for each channel too (K,
    Kimi) or as Mamba-2 does (S), and which attend (A), from the first and again, such as DDDA;
    empty: all attend."""
    delta_heads: int | None = None
    """States of such a layer; heads unless given."""
    delta_key_heads: int | None = None
    """Heads of keys and queries, Mamba-2's groups, each read by delta_heads / delta_key_heads
    states; as many as states if None."""
    delta_key_size: int | None = None
    """Size of a key, the rows of a state; that of an attention's head unless given."""
    delta_value_size: int | None = None
    """Size of a value, the columns of a state; that of an attention's head unless given."""
    delta_width: int = 4
    """Positions that the short convolutions look at, their own among them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        own = {f.name: f.default for f in dataclasses.fields(DeltaConfig)}
        names = [name for name in own if name.startswith("delta_")]
        pattern = self.delta_pattern
        check(
            not set(pattern) - {*KEEPS, "A"},
            f"delta_pattern is {pattern!r}; write D, K or S for a layer that keeps a state and A "
            "for one that attends, such as DDDA",
        )
        changed = [name for name in names if getattr(self, name) != own[name]]
        check(
            self.any_state or not changed,
            f"{', '.join(changed)} is for layers that keep a state, and there are none; give a "
            "delta_pattern with a D, K or S, such as DDDA",
        )
        for name in names[1:]:
            size = getattr(self, name)
            check(size is None or size >= 1, f"{name} is {size}; it must be 1 or more")
        heads = self.heads if self.delta_heads is None else self.delta_heads
        keys = heads if self.delta_key_heads is None else self.delta_key_heads
        check(
            heads % keys == 0,
            f"delta_key_heads is {keys}, which does not divide the {heads} heads of values; as "
            "many must read each key",
        )

    @property
    def patterns(self) -> tuple[str, ...]:
        """Fields with a letter a layer."""
        return (*super().patterns, "delta_pattern")

    @property
    def alike(self) -> bool:
        """Whether all layers have the same parts."""
        kinds = {self._kind(layer) for layer in range(max(self.depths))}
        return len(kinds) == 1 and super().alike

    @property
    def any_state(self) -> bool:
        """Whether some layer keeps a state."""
        return bool(set(self.delta_pattern) - {"A"})

    def keeps_a_state(self, layer: int) -> bool:
        """Whether a layer, counted from 0, has one in the place of attention."""
        return self._kind(layer) != "A"

    def _kind(self, layer: int) -> str:
        pattern = self.delta_pattern or "A"
        return pattern[layer % len(pattern)]

    def attention(self, layer: int) -> dict[str, Any]:
        """The settings of a layer's ``MultiHeadAttention``, or of what keeps a state instead."""
        if not self.keeps_a_state(layer):
            return super().attention(layer)
        size = self.size_of_head
        return {
            KEEPS[self._kind(layer)]: {
                "heads": self.heads if self.delta_heads is None else self.delta_heads,
                "key_heads": self.delta_key_heads,
                "key_size": size if self.delta_key_size is None else self.delta_key_size,
                "value_size": size if self.delta_value_size is None else self.delta_value_size,
                "width": self.delta_width,
                "eps": self.layer_norm_eps,
            }
        }
