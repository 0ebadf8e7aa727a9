"""OLMoE (Muennighoff et al., 2024, arXiv:2409.02060): 64 small experts, of which eight."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, expert_entries, expert_settings
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry


class Olmoe(Llama):
    """The weights of the chosen are not divided by their sum; queries and keys are normed whole."""

    model_types: ClassVar[tuple[str, ...]] = ("olmoe",)
    padding_id: ClassVar[int | None] = 1
    eps: ClassVar[float] = 1e-5
    ignored_fields: ClassVar = {**Llama.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Llama.quirks,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights divided": quirks.SHARES_DIVIDED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: queries, keys and values held within a range.
        """
        if (clip := fields.take("clip_qkv", None)) is not None:
            raise ConfigError(f"clip_qkv is {clip}; npformer has no such bound, only null")
        return {
            **super().settings(fields),
            **expert_settings(fields, fields.take("num_experts", 64), 8),
            "normalize_expert_weights": fields.take("norm_topk_prob", False),
            "qk_norm": "full",
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        return expert_entries(config, ours, theirs)
