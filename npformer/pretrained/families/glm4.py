"""GLM-4 of April 2025 (Z.ai): the one before, with a second norm in each branch."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained.families.glm import Glm
from npformer.pretrained.fields import Fields


class Glm4(Glm):
    """``post_attention_layernorm`` is before the feed-forward network, as in Llama."""

    model_types: ClassVar[tuple[str, ...]] = ("glm4",)
    norms: ClassVar = {
        "self_attn_residual.norm": "input_layernorm",
        "self_attn_residual.norm_after": "post_self_attn_layernorm",
        "feed_forward_residual.norm": "post_attention_layernorm",
        "feed_forward_residual.norm_after": "post_mlp_layernorm",
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        return {**super().settings(fields), "norm": "sandwich"}
