"""Qwen3-Next (Qwen Team, 2025): three layers in four keep a state, and each has a mixture.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.delta import delta_entries_by_turns
from npformer.pretrained.experts import IGNORED, gated_entries, gated_settings
from npformer.pretrained.families.qwen3_5 import Qwen35
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry


class Qwen3Next(Qwen35):
    """Of each head of keys: its query, its key, and the values and gates that read it."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3_next",)
    kv_heads: ClassVar[int | None] = 2
    ignored_fields: ClassVar = {**Qwen35.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Qwen35.quirks,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights not divided": quirks.SHARES_UNDIVIDED,
    }
    delta_entries = staticmethod(delta_entries_by_turns)

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: layers of which some have no mixture.
        """
        return {
            **super().settings(fields),
            **gated_settings(fields, 512, 10, 512),
            "normalize_expert_weights": fields.take("norm_topk_prob", True),
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        return gated_entries(config, ours, theirs)
