"""Gemma 3, the part that reads and writes text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained.gguf.architectures.gemma2 import Gemma2
from npformer.pretrained.gguf.architectures.qwen3 import Qwen3
from npformer.pretrained.gguf.file import GgufFile
from npformer.pretrained.rotation import GLOBAL, LOCAL


class Gemma3(Gemma2):
    """Five local layers to a global one; queries and keys have norms."""

    name: ClassVar[str] = "gemma3"
    model_type: ClassVar[str] = "gemma3_text"
    large: ClassVar[int] = 62
    fields: ClassVar[Mapping[str, str]] = {
        **{name: field for name, field in Gemma2.fields.items() if "attn_logit" not in name},
        "rope.freq_base_swa": "rope_local_base_freq",
    }
    tensors: ClassVar[Mapping[str, str]] = {**Qwen3.tensors, **Gemma2.tensors}

    def rotation(self, config: dict[str, Any], said: dict[str, Any], file: GgufFile) -> None:
        """Also which layers are local: a period, or each layer by itself."""
        super().rotation(config, said, file)
        local = said.pop("attention.sliding_window_pattern", 6)
        layers = range(config["num_hidden_layers"])
        if not isinstance(local, list):
            local = [(layer + 1) % int(local) != 0 for layer in layers]
        config["layer_types"] = [LOCAL if each else GLOBAL for each in local]
