"""The settings of value embeddings, for families that may have them.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.ahead_config import AheadConfig


@dataclass(frozen=True, kw_only=True)
class ValueConfig(AheadConfig):
    """Which layers mix embeddings of their own into attention's values; without ``value_tables``
    none does. Raises ConfigError for settings that do not go together."""

    value_tables: int | None = None
    """Embeddings that attention mixes into its values: the first of them in the first layer and in
    the first of as many last ones, and so on (value embeddings, as in modded-nanogpt); none unless
    given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        tables, layers = self.value_tables, max(self.depths)
        if tables is None:
            return
        most = max(layers // 2, 1)  # the only layer is first and last
        check(
            1 <= tables <= most,
            f"value_tables is {tables} for {layers} layers; a first and a last layer read each, so "
            f"it must be 1 or more, and at most {most}, or not given",
        )
        check(
            self.latent_size is None and not self.any_state,
            "value_tables is of attention that makes values of the stream; leave it, or "
            "latent_size and delta_pattern, out",
        )
        check(
            not self.predict_ahead,
            f"value_tables is {tables} and predict_ahead {self.predict_ahead}; a layer beside the "
            "stack has no such table: leave one out",
        )
        sizes = {
            self._value_columns(n) for n, of in enumerate(self._tables(layers)) if of is not None
        }
        check(
            len(sizes) == 1,
            "value_tables needs values of one size in the layers that read them; leave it, or "
            "global_head_size and global_kv_heads, out",
        )

    def _tables(self, layers: int) -> list[int | None]:
        """Of each layer, the table that it reads."""
        tables = self.value_tables or 0
        return [
            n if n < tables else n - layers + tables if n >= layers - tables else None
            for n in range(layers)
        ]

    def _value_columns(self, layer: int) -> int:
        """Of all heads' values in a layer."""
        own = super().attention(layer)
        return (own["kv_heads"] or self.heads) * (own.get("d_v") or self.size_of_head)

    @property
    def value_columns(self) -> int:
        """Of a row of all tables."""
        return (self.value_tables or 0) * self._value_columns(0)

    @property
    def alike(self) -> bool:
        """Not where some layers read a table and others none."""
        return self.value_tables is None and super().alike

    def attention(self, layer: int) -> dict[str, Any]:
        """As without tables, but for whether the layer reads one."""
        settings = super().attention(layer)
        if self.value_tables is not None and self._tables(max(self.depths))[layer] is not None:
            settings["value_mix"] = True
        return settings

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack without tables, but for which of them each layer reads."""
        settings = super().stack_settings(layers)
        if self.value_tables is not None:
            settings["value_tables"] = self._tables(layers)
        return settings
