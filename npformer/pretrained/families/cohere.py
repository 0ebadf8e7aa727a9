"""Command R and Aya (Cohere, 2024): attention and feed-forward network in parallel."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields


class Cohere(Llama):
    """Layer norms without a bias, one a layer; neighbours turn; the logits are multiplied."""

    model_types: ClassVar[tuple[str, ...]] = ("cohere",)
    theta: ClassVar[float] = 500_000.0
    tie: ClassVar[bool] = True
    padding_id: ClassVar[int | None] = 0
    norms: ClassVar = {"self_attn_residual.norm": "input_layernorm"}
    quirks: ClassVar = {
        "halves for neighbours": quirks.HALVES,
        "no rotation": quirks.UNTURNED,
        "frequencies not stretched": quirks.UNSTRETCHED,
        "eps": quirks.EPS,
        "scale of d_model / heads": quirks.SCALE_OF_WIDTH,
        "gelu for silu": quirks.OTHER_GELU,
        "norm without the mean": quirks.WITHOUT_MEAN,
        "embedding scaled": quirks.EMBEDDING_SCALED,
        "logits not multiplied": quirks.LOGITS_UNMULTIPLIED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: Command R+'s norms of queries and keys, which
        have weights of their own for each head.
        """
        fields.only("use_qk_norm", False)
        return {
            **super().settings(fields),
            "parallel": True,
            "norm_type": "layer_norm_no_bias",
            "layer_norm_eps": fields.given("layer_norm_eps", 1e-5),
            "positions": "rotary_interleaved",
            "logit_multiplier": float(fields.given("logit_scale", 0.0625)),
        }
