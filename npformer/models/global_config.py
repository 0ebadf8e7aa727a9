"""The settings of global layers that are not those of the local ones beside them.

A local layer keeps the keys of its window alone. So what a long text costs in a cache are the
global layers, and there fewer and wider heads of keys, and no other numbers for values, are worth
having (Gemma 4).

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.attention_config import AttentionConfig

SIZES = ("global_head_size", "global_kv_heads")
"""Fields that need local layers too."""


@dataclass(frozen=True, kw_only=True)
class GlobalConfig(AttentionConfig):
    """Unless given, global layers are as local ones; raises ConfigError as ``AttentionConfig``."""

    global_head_size: int | None = None
    """Size of a head (H) in global layers; that of local layers unless given."""
    global_kv_heads: int | None = None
    """Heads of keys and values in global layers; as many as in local layers unless given."""
    values_from_keys: bool = False
    """Whether global layers have no projection of values: what that of the keys gives, before norm
    and rotation, are the values."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in SIZES:
            size = getattr(self, name)
            if size is None:
                continue
            check(
                self.window is not None and {*self.window_pattern} == {*"LG"},
                f"{name} is {size}, and no layer is global beside local ones; give window and a "
                f"window_pattern with both, such as LLLLLG, or give {name.removeprefix('global_')}",
            )
        check(
            not self.values_from_keys or self.window is None or "G" in self.window_pattern,
            "values_from_keys is of global layers, and all are local; give a window_pattern with a "
            "G, such as LLLLLG",
        )
        groups = self.global_kv_heads
        check(
            groups is None or self.heads % groups == 0,
            f"global_kv_heads is {groups}, which does not divide heads, {self.heads}",
        )

    def _check_heads(self) -> None:
        super()._check_heads()
        for name in SIZES:
            size = getattr(self, name)
            check(
                size is None or size >= 1, f"{name} is {size}; it must be 1 or more, or not given"
            )

    def _check_rotation(self) -> None:
        super()._check_rotation()
        if self.global_head_size is not None:
            self._check_width("global_head_size", self.global_head_size)

    @property
    def _of_attention(self) -> tuple[str, ...]:
        return (*super()._of_attention, *SIZES, "values_from_keys")

    @property
    def alike(self) -> bool:
        """Not where global layers have other shapes than local ones."""
        unlike = any(getattr(self, name) for name in (*SIZES, "values_from_keys"))
        return (self.window is None or not unlike) and super().alike

    def attention(self, layer: int) -> dict[str, Any]:
        """The settings of a layer's ``MultiHeadAttention``."""
        settings = super().attention(layer)
        if self.is_local(layer):
            return settings
        settings["values_from_keys"] = self.values_from_keys
        if self.global_kv_heads is not None:
            settings["kv_heads"] = self.global_kv_heads
        if self.global_head_size is not None:
            settings["d_k"] = settings["d_v"] = self.global_head_size
        return settings

    def rotation(self, local: bool) -> dict[str, Any]:
        """Arguments of ``make_positions`` for rotary positions in a local or a global layer."""
        settings = super().rotation(local)
        if not local and self.global_head_size is not None:
            settings["rotary_width"] = self.turning(self.global_head_size)
        return settings

    @property
    def scaled_widths(self) -> tuple[int, ...]:
        """Columns that turn in heads of each size whose rotation is scaled."""
        if self.global_head_size is None:
            return super().scaled_widths
        of_local = super().scaled_widths if self.rotary_theta_local is None else ()
        return (*of_local, self.turning(self.global_head_size))

    def head_of(self, layer: int) -> int:
        """H of a layer."""
        if self.global_head_size is None or self.is_local(layer):
            return super().head_of(layer)
        return self.global_head_size
