"""Qwen 3's mixtures (Yang et al., 2025, arXiv:2505.09388): 128 experts, of which eight."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.experts import (
    IGNORED,
    check_every_layer,
    expert_entries,
    expert_settings,
)
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.families.qwen3 import Qwen3
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry


class Qwen3Moe(Qwen3):
    """Qwen 3 with a mixture in every layer."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3_moe",)
    head_size: ClassVar[int | None] = None
    kv_heads: ClassVar[int | None] = 4
    ignored_fields: ClassVar = {**Qwen3.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Llama.quirks,
        "window of one key more": quirks.WINDOW_LONGER,
        "no window": quirks.NO_WINDOW,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights not divided": quirks.SHARES_UNDIVIDED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: layers of which some have no mixture.
        """
        check_every_layer(fields)
        count = fields.take("num_experts", None) or fields.take("num_local_experts", 128)
        # A window is of every layer here, whatever max_window_layers says.
        window = fields.take("sliding_window", 4096)
        local = (
            {"window": window, "window_pattern": ""}
            if fields.take("use_sliding_window", False)
            else {}
        )
        return {
            **super().settings(fields),
            **local,
            **expert_settings(fields, count, 8),
            "d_ff": fields.take("moe_intermediate_size", 768),
            "normalize_expert_weights": fields.take("norm_topk_prob", False),
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        return expert_entries(config, ours, theirs)
