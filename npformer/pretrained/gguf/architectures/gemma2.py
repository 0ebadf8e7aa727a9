"""Gemma 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained.gguf.architecture import without_one
from npformer.pretrained.gguf.architectures.llama import LAYER, Llama
from npformer.pretrained.gguf.architectures.qwen2 import Qwen2


class Gemma2(Qwen2):
    """Four norms a layer, all stored with the 1 added; windows in every second layer."""

    name: ClassVar[str] = "gemma2"
    model_type: ClassVar[str] = "gemma2"
    large: ClassVar[int] = 46
    """Layers of the one size whose scores are scaled by the width of a head in D / N."""
    fields: ClassVar[Mapping[str, str]] = {
        **Llama.fields,
        "attention.sliding_window": "sliding_window",
        "attn_logit_softcapping": "attn_logit_softcapping",
        "final_logit_softcapping": "final_logit_softcapping",
    }
    constants: ClassVar[Mapping[str, Any]] = {"hidden_activation": "gelu_pytorch_tanh"}
    tensors: ClassVar[Mapping[str, str]] = {
        **Llama.tensors,
        LAYER + r"post_attention_norm\.weight": r"model.layers.\1.post_attention_layernorm.weight",
        LAYER + r"ffn_norm\.weight": r"model.layers.\1.pre_feedforward_layernorm.weight",
        LAYER + r"post_ffw_norm\.weight": r"model.layers.\1.post_feedforward_layernorm.weight",
    }
    stored: ClassVar[Mapping[str, Any]] = {r".*norm\.weight": without_one}

    def head(self, config: dict[str, Any], said: dict[str, Any]) -> None:
        """The size of a head, and what scores are divided by, which no file says."""
        super().head(config, said)
        width = config["hidden_size"] / config["num_attention_heads"]
        size = config["head_dim"]
        config["query_pre_attn_scalar"] = (
            width if config["num_hidden_layers"] == self.large else size
        )
