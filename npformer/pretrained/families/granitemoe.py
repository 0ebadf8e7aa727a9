"""Granite 3's mixtures (IBM, 2024), PowerMoE, and those with a shared network."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, expert_settings
from npformer.pretrained.families.granite import Granite
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, fused, whole
from npformer.pretrained.turns import by_turns

PAIR = ("gate_proj", "up_proj")
"""What one matrix holds, in this order."""


class GraniteMoe(Granite):
    """A tensor holds all experts' gates and what they open, the gates first."""

    model_types: ClassVar[tuple[str, ...]] = ("granitemoe", "granitemoeshared")
    feed_forward_name: ClassVar[str] = "block_sparse_moe"
    shared: ClassVar[int] = 0
    """``shared_intermediate_size`` where a config has none; 0 is no such network."""
    ignored_fields: ClassVar = {**Granite.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Granite.quirks,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights not divided": quirks.SHARES_UNDIVIDED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        return {
            **super().settings(fields),
            **expert_settings(fields, fields.given("num_local_experts", 8), 2),
            "shared_d_ff": fields.given("shared_intermediate_size", self.shared) or None,
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        own = f"{ours}.experts"
        pair = [f"{own}.{name}.weight" for name in PAIR]
        table = [
            whole(f"{ours}.router.weight", f"{theirs}.router.layer.weight"),
            by_turns(pair, f"{theirs}.input_linear.weight", 1),
            whole(f"{own}.down_proj.weight", f"{theirs}.output_linear.weight"),
        ]
        if config.shared_d_ff is not None:
            table += self.network(f"{ours}.shared", theirs)
        return table

    def network(self, ours: str, theirs: str) -> list[Entry]:
        """The part of the network that every token has, which lies beside a layer's mixture."""
        theirs = f"{theirs.removesuffix(self.feed_forward_name)}shared_mlp"
        return [
            fused([f"{ours}.{name}.weight" for name in PAIR], f"{theirs}.input_linear.weight"),
            whole(f"{ours}.down_proj.weight", f"{theirs}.output_linear.weight"),
        ]
