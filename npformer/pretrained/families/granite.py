"""Granite 3 (IBM, 2024): Llama with four multipliers, chosen at a small width and kept."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields


class Granite(Llama):
    """The embedding, each branch and the scores are multiplied; the logits are divided."""

    model_types: ClassVar[tuple[str, ...]] = ("granite",)
    quirks: ClassVar = {
        **Llama.quirks,
        "scale of the head": quirks.SCALE_OF_HEAD,
        "embedding not multiplied": quirks.EMBEDDING_UNMULTIPLIED,
        "branches not multiplied": quirks.BRANCHES_UNMULTIPLIED,
        "logits not divided": quirks.LOGITS_UNMULTIPLIED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        return {
            **super().settings(fields),
            "embedding_multiplier": float(fields.given("embedding_multiplier", 1.0)),
            "residual_multiplier": float(fields.given("residual_multiplier", 1.0)),
            "attention_scale": float(fields.given("attention_multiplier", 1.0)),
            "logit_multiplier": 1 / fields.given("logits_scaling", 1.0),
        }
