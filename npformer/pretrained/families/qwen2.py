"""Qwen 2 and 2.5 (Qwen Team, 2024, arXiv:2412.15115): queries, keys and values have a bias."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.windows import windows


class Qwen2(Llama):
    """The last layers may look through a window."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen2",)
    quirks: ClassVar = {
        **Llama.quirks,
        "window of one key more": quirks.WINDOW_LONGER,
        "no window": quirks.NO_WINDOW,
        "every layer local": quirks.ALL_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("use_mrope", False)
        found = {**super().settings(fields), "attention_bias": "qkv"}
        window, first = fields.take("sliding_window", 4096), fields.take("max_window_layers", 28)
        if not fields.take("use_sliding_window", False):
            window = None
        return found | windows(
            fields, found["layers"], window, lambda n: window is not None and n >= first
        )
