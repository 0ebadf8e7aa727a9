"""Llama (Touvron et al., 2023; Llama Team, 2024), SmolLM and SmolLM2, which are the same.

Several later families are this one with other settings, and inherit from it.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import GATED
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.tensors import Entry, whole


class Llama(Family):
    """RMS norm before each branch, rotated halves of heads, keys that heads share, a gate."""

    model_types: ClassVar[tuple[str, ...]] = ("llama",)
    theta: ClassVar[float] = 10_000.0
    """The base of the frequencies where a config has none."""
    padding_id: ClassVar[int | None] = None
    """``pad_token_id`` where a config has none."""
    tie: ClassVar[bool] = False
    """``tie_word_embeddings`` where a config has none."""
    eps: ClassVar[float] = 1e-6
    """``rms_norm_eps`` where a config has none."""
    kv_heads: ClassVar[int | None] = None
    """``num_key_value_heads`` where a config has none."""
    head_size: ClassVar[int | None] = None
    """``head_dim`` where a config has none."""
    activation_field: ClassVar[str] = "hidden_act"
    activation: ClassVar[str] = "silu"
    activations: ClassVar[Mapping[str, str]] = GATED
    """Ours of each of the config's."""
    feed_forward_name: ClassVar[str] = "mlp"
    norms: ClassVar[dict[str, str]] = {
        "self_attn_residual.norm": "input_layernorm",
        "feed_forward_residual.norm": "post_attention_layernorm",
    }
    """What each norm of a layer is called."""
    ignored_fields: ClassVar = {
        "pretraining_tp": "over how many devices a product was split",
        "attn_implementation": "of the library's kernels",
        "rope_interleaved": "of an export to another format",
        "is_llama_config": "of an export to another format",
    }
    ignored_tensors: ClassVar = {
        r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq": "frequencies, which the config gives",
        r"rotary_emb\.inv_freq": "frequencies, which the config gives",
    }
    quirks: ClassVar = {
        "interleaved halves": quirks.INTERLEAVED,
        "no rotation": quirks.UNTURNED,
        "frequencies not stretched": quirks.UNSTRETCHED,
        "eps": quirks.EPS,
        "scale of d_model / heads": quirks.SCALE_OF_WIDTH,
        "gelu for silu": quirks.OTHER_GELU,
        "1 + weight": quirks.WITH_ONE,
        "embedding scaled": quirks.EMBEDDING_SCALED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        d_model, heads = fields.take("hidden_size"), fields.take("num_attention_heads")
        padding = fields.take("pad_token_id", self.padding_id)
        vocab_size = fields.take("vocab_size")
        return {
            "vocab_size": vocab_size,
            "max_length": fields.take("max_position_embeddings"),
            "d_model": d_model,
            "layers": fields.take("num_hidden_layers"),
            "heads": heads,
            "kv_heads": fields.given("num_key_value_heads", self.kv_heads or heads),
            "head_size": fields.given("head_dim", self.head_size or d_model // heads),
            "d_ff": fields.take("intermediate_size"),
            "norm_type": "rms_norm",
            "layer_norm_eps": fields.take("rms_norm_eps", self.eps),
            "activation": fields.choose(self.activation_field, self.activations, self.activation),
            "attention_bias": "all" if fields.take("attention_bias", False) else "none",
            "feed_forward_bias": fields.take("mlp_bias", False),
            "positions": "rotary",
            "tie_output": fields.take("tie_word_embeddings", self.tie),
            # As the library's embedding, which counts a negative one from the end.
            "padding_id": padding if padding is None or padding >= 0 else vocab_size + padding,
            **self.rotation(fields),
        }

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta)

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [
            whole("embedding.weight", "embed_tokens.weight"),
            whole("decoder.norm.weight", "norm.weight"),
        ]
        for n in range(config.layers):
            table += self.layer(config, f"decoder.layers.{n}", f"layers.{n}")
        if not config.tie_output:
            table.append(whole("output_proj.weight", "lm_head.weight"))
        return table

    def tied(self, config: Any) -> dict[str, str]:
        """The head is the embedding, where they are tied."""
        return {"lm_head.weight": "embed_tokens.weight"} if config.tie_output else {}

    def layer(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of one layer."""
        table = [
            whole(f"{ours}.{own}.weight", f"{theirs}.{their}.weight")
            for own, their in self.norms.items()
        ]
        table += self.attention(config, f"{ours}.self_attn", f"{theirs}.self_attn")
        theirs_of = f"{theirs}.{self.feed_forward_name}"
        return table + self.feed_forward(config, f"{ours}.feed_forward", theirs_of)

    def attention(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's attention."""
        table = []
        for own, their in (("q", "q"), ("k", "k"), ("v", "v"), ("out", "o")):
            table.append(whole(f"{ours}.{own}_proj.weight", f"{theirs}.{their}_proj.weight"))
            if config.attention_bias == "all" or (config.attention_bias == "qkv" and own != "out"):
                table.append(whole(f"{ours}.{own}_proj.bias", f"{theirs}.{their}_proj.bias"))
        if config.qk_norm != "none":
            for name in ("q_norm", "k_norm"):
                table.append(whole(f"{ours}.{name}.weight", f"{theirs}.{name}.weight"))
        return table

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's feed-forward network."""
        kinds = ("weight", "bias") if config.feed_forward_bias else ("weight",)
        return [
            whole(f"{ours}.{name}_proj.{kind}", f"{theirs}.{name}_proj.{kind}")
            for name in ("gate", "up", "down")
            for kind in kinds
        ]
