"""Qwen 3 (Yang et al., 2025, arXiv:2505.09388): heads of 128 columns, queries and keys normed."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained.families.qwen2 import Qwen2
from npformer.pretrained.fields import Fields


class Qwen3(Qwen2):
    """The norm is of each head by itself, before it turns."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3",)
    head_size: ClassVar[int | None] = 128

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        bias = "all" if fields.take("attention_bias", False) else "none"
        return {**super().settings(fields), "attention_bias": bias, "qk_norm": "head"}
