"""OLMo 2 (OLMo Team, 2025, arXiv:2501.00656): norms at the end of each branch, and of all heads."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields


class Olmo2(Llama):
    """Queries and keys are normed before they are cut into heads."""

    model_types: ClassVar[tuple[str, ...]] = ("olmo2",)
    padding_id: ClassVar[int | None] = 1
    eps = 1e-5
    norms: ClassVar = {
        "self_attn_residual.norm": "post_attention_layernorm",
        "feed_forward_residual.norm": "post_feedforward_layernorm",
    }
    quirks: ClassVar = {**Llama.quirks, "norms before the branch": quirks.NORMS_FIRST}

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        return {**super().settings(fields), "norm": "branch", "qk_norm": "full"}
