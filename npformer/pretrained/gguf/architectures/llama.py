"""Llama, SmolLM and SmolLM2, and Mistral, whose files say that they are Llama's.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.ops.rotary_layout import reordered_heads
from npformer.ops.rotary_tables import rotary_frequencies
from npformer.pretrained.gguf.architecture import (
    HEADS,
    KEY,
    KV_HEADS,
    LAYERS,
    VALUE,
    WIDTH,
    Architecture,
)
from npformer.pretrained.gguf.file import GgufFile

LAYER = r"blk\.(\d+)\."
FREQUENCIES = "rope_freqs.weight"
"""What llama3's scaling divides each frequency by, which is all that a file has of it."""
LLAMA3: dict[str, Any] = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
"""The numbers of every Llama that was published with that scaling."""


def _unpermuted(heads: str) -> Any:
    """Of a matrix whose heads turn in pairs: with halves, as the family's files have them."""

    def change(tensor: Array, said: Mapping[str, Any]) -> Array:
        count = int(said.get(heads, said[HEADS]))
        width = int(said.get("rope.dimension_count", len(tensor) // count))
        return reordered_heads(tensor, count, width, "half")

    return change


class Llama(Architecture):
    """Rows of queries and keys are stored in the order in which neighbours turn together."""

    name: ClassVar[str] = "llama"
    model_type: ClassVar[str] = "llama"
    fields: ClassVar[Mapping[str, str]] = {
        "context_length": "max_position_embeddings",
        WIDTH: "hidden_size",
        LAYERS: "num_hidden_layers",
        "feed_forward_length": "intermediate_size",
        HEADS: "num_attention_heads",
        KV_HEADS: "num_key_value_heads",
        "attention.layer_norm_rms_epsilon": "rms_norm_eps",
        "rope.freq_base": "rope_theta",
    }
    ignored: ClassVar[Mapping[str, str]] = {
        "rope.scaling.finetuned": "whether it was trained with its scaling",
        "rope.scaling.original_context_length": "of a linear scaling, which does not use it",
    }
    tensors: ClassVar[Mapping[str, str]] = {
        r"token_embd\.weight": "model.embed_tokens.weight",
        r"output_norm\.weight": "model.norm.weight",
        r"output\.weight": "lm_head.weight",
        LAYER + r"attn_norm\.weight": r"model.layers.\1.input_layernorm.weight",
        LAYER + r"ffn_norm\.weight": r"model.layers.\1.post_attention_layernorm.weight",
        LAYER + r"attn_([qkv])\.(weight|bias)": r"model.layers.\1.self_attn.\2_proj.\3",
        LAYER + r"attn_output\.(weight|bias)": r"model.layers.\1.self_attn.o_proj.\2",
        LAYER + r"ffn_(gate|up|down)\.(weight|bias)": r"model.layers.\1.mlp.\2_proj.\3",
    }
    in_config: ClassVar[tuple[str, ...]] = (FREQUENCIES,)
    stored: ClassVar[Mapping[str, Any]] = {
        LAYER + r"attn_q\.(weight|bias)": _unpermuted(HEADS),
        LAYER + r"attn_k\.(weight|bias)": _unpermuted(KV_HEADS),
    }

    def adapt(self, config: dict[str, Any], said: dict[str, Any], file: GgufFile) -> None:
        """The size of a head, rotation, and which biases there are."""
        self.head(config, said)
        self.rotation(config, said, file)
        self.biases(config, file)

    def head(self, config: dict[str, Any], said: dict[str, Any]) -> None:
        """The size of a head. Raises ConfigError where values or the rotation have another."""
        size = config["hidden_size"] // config["num_attention_heads"]
        size = config["head_dim"] = said.pop(KEY, size)
        for name in (VALUE, "rope.dimension_count"):
            if (other := said.pop(name, size)) != size:
                raise ConfigError(
                    f"the file has {self.name}.{name} {other} and heads of {size}; npformer has "
                    "models where they are the same"
                )

    def rotation(self, config: dict[str, Any], said: dict[str, Any], file: GgufFile) -> None:
        """How the rotation is stretched. Raises ConfigError for a way that npformer has not."""
        kind = said.pop("rope.scaling.type", "none")
        factor = said.pop("rope.scaling.factor", 1.0)
        if kind not in ("none", "linear"):
            raise ConfigError(
                f"the file has {self.name}.rope.scaling.type {kind!r}; of GGUF files npformer "
                "reads 'none', 'linear' and llama3's"
            )
        if kind == "linear":
            config["rope_scaling"] = {"rope_type": "linear", "factor": factor}
        if FREQUENCIES in self.in_config and FREQUENCIES in file:
            config["rope_scaling"] = _llama3(file[FREQUENCIES], config)

    def biases(self, config: dict[str, Any], file: GgufFile) -> None:
        """Which projections have a bias."""
        config["attention_bias"] = "blk.0.attn_q.bias" in file
        config["mlp_bias"] = "blk.0.ffn_up.bias" in file


def _llama3(divisors: Array, config: Mapping[str, Any]) -> dict[str, Any]:
    """The scaling that divides frequencies so. Raises ConfigError if none that is known does."""
    scaling = {"rope_type": "llama3", "factor": float(divisors.max()), **LLAMA3}
    theta = config.get("rope_theta", 10_000.0)
    plain, scaled = (
        rotary_frequencies(config["head_dim"], theta, each).frequencies for each in (None, scaling)
    )
    if divisors.shape != plain.shape or not np.allclose(divisors, plain / scaled, rtol=1e-3):
        raise ConfigError(
            f"{FREQUENCIES} is not what llama3's scaling gives with {LLAMA3}; npformer has no other"
        )
    return scaling
