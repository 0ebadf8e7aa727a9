"""Gemma 4 of 12 billion parameters (Google, 2026), which sees and hears without a tower for it."""

from __future__ import annotations

from typing import ClassVar

from npformer.pretrained.families.gemma4 import Gemma4


class Gemma4Unified(Gemma4):
    """The text's part is that of the dense Gemma 4; what turns images and sound into vectors is
    smaller."""

    model_types: ClassVar[tuple[str, ...]] = ("gemma4_unified_text", "gemma4_unified")
    text_model: ClassVar = {
        "model_type": "gemma4_unified_text",
        "architectures": ["Gemma4UnifiedForCausalLM"],
    }
    window = 1024
    per_layer_size = 0
    ignored_tensors: ClassVar = {
        **Gemma4.ignored_tensors,
        r"(model\.)?vision_embedder\..*": "it sees images",
    }
