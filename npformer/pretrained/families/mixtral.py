"""Mixtral (Jiang et al., 2024, arXiv:2401.04088): Mistral with eight experts, of which two."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, expert_entries, expert_settings
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry

NAMES = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}


class Mixtral(Llama):
    """The weights of the chosen are divided by their sum."""

    model_types: ClassVar[tuple[str, ...]] = ("mixtral",)
    theta: ClassVar[float] = 1_000_000.0
    eps: ClassVar[float] = 1e-5
    kv_heads: ClassVar[int | None] = 8
    feed_forward_name: ClassVar[str] = "block_sparse_moe"
    ignored_fields: ClassVar = {**Llama.ignored_fields, **IGNORED}
    quirks: ClassVar = {
        **Llama.quirks,
        "window of one key more": quirks.WINDOW_LONGER,
        "no window": quirks.NO_WINDOW,
        "gelu for silu": quirks.EXPERTS_GELU,
        "weights not divided": quirks.SHARES_UNDIVIDED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        experts = expert_settings(fields, fields.take("num_local_experts", 8), 2)
        return {
            **super().settings(fields),
            **experts,
            "window": fields.take("sliding_window", None),
        }

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        return expert_entries(config, ours, theirs, NAMES)
