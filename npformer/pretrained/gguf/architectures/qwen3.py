"""Qwen 3, without mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained.gguf.architectures.llama import LAYER
from npformer.pretrained.gguf.architectures.qwen2 import Qwen2
from npformer.pretrained.gguf.file import GgufFile


class Qwen3(Qwen2):
    """Queries and keys have norms."""

    name: ClassVar[str] = "qwen3"
    model_type: ClassVar[str] = "qwen3"
    tensors: ClassVar[Mapping[str, str]] = {
        **Qwen2.tensors,
        LAYER + r"attn_([qk])_norm\.weight": r"model.layers.\1.self_attn.\2_norm.weight",
    }

    def biases(self, config: dict[str, Any], file: GgufFile) -> None:
        """The config has a field for them."""
        config["attention_bias"] = "blk.0.attn_q.bias" in file
