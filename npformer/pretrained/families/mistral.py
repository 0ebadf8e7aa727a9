"""Mistral (Jiang et al., 2023, arXiv:2310.06825): Llama whose layers may look through a window."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields


class Mistral(Llama):
    """A window on every layer in the first version, and none from 0.3 on."""

    model_types: ClassVar[tuple[str, ...]] = ("mistral",)
    kv_heads: ClassVar[int | None] = 8
    quirks: ClassVar = {
        **Llama.quirks,
        "window of one key more": quirks.WINDOW_LONGER,
        "no window": quirks.NO_WINDOW,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        return {**super().settings(fields), "window": fields.take("sliding_window", 4096)}
