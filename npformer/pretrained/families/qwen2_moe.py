"""Qwen 1.5's and Qwen 2's mixtures (Qwen Team, 2024): beside the experts a network with a gate."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, gated_entries, gated_settings
from npformer.pretrained.families.qwen2 import Qwen2
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry
from npformer.pretrained.windows import windows


class Qwen2Moe(Qwen2):
    """The weights of the chosen are not divided by their sum."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen2_moe",)
    kv_heads: ClassVar[int | None] = 16
    ignored_fields: ClassVar = {**Qwen2.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Qwen2.quirks,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights divided": quirks.SHARES_DIVIDED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: layers of which some have no mixture.
        """
        found = super().settings(fields)
        found = {name: v for name, v in found.items() if not name.startswith("window")}
        window, first = fields.take("sliding_window", 4096), fields.take("max_window_layers", 28)
        window = window if fields.take("use_sliding_window", False) else None
        return {
            **found,
            # Every other one of the first layers, where Qwen 2 without experts has the last.
            **windows(
                fields,
                found["layers"],
                window,
                lambda n: window is not None and n % 2 == 0 and n < first,
            ),
            **gated_settings(fields, 60, 4, 1408),
            "attention_bias": "qkv" if fields.take("qkv_bias", True) else "none",
            "normalize_expert_weights": fields.take("norm_topk_prob", False),
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        return gated_entries(config, ours, theirs)
