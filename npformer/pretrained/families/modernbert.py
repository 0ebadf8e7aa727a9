"""ModernBERT (Warner et al., 2024, arXiv:2412.13663): rotation, windows to both sides, gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import GATED, PLAIN
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import ENCODER, HEADLESS, Library
from npformer.pretrained.rotation import rotation
from npformer.pretrained.sentence_vectors import sentence_vectors
from npformer.pretrained.tensors import Entry, fused, whole
from npformer.pretrained.windows import windows


class ModernBert(Family):
    """Every third layer is global; the first attention reads what the embedding's norm made."""

    model_types: ClassVar[tuple[str, ...]] = ("modernbert",)
    model = "bert"
    ignored_fields: ClassVar = {
        "initializer_cutoff_factor": "how it was initialised",
        "embedding_dropout": "in training alone; a run has a dropout of its own",
        "mlp_dropout": "in training alone",
        "classifier_dropout": "of a classifier's head",
        "classifier_pooling": "of a classifier's head",
        "cls_token_id": "for texts; the tokenizer's files are asked",
        "sep_token_id": "for texts; the tokenizer's files are asked",
        "deterministic_flash_attn": "of the library's kernels",
        "reference_compile": "of the library's kernels",
        "repad_logits_with_grad": "of the library's kernels",
        "sparse_prediction": "which logits are made in training",
        "sparse_pred_ignore_index": "which logits are made in training",
        "layer_norm_eps": "an older name of norm_eps, which is read",
    }
    quirks: ClassVar = {
        "pairs side by side": quirks.INTERLEAVED,
        "no rotation": quirks.UNTURNED,
        "one theta": quirks.Quirk(
            lambda c: {"rotary_theta_local": c.rotary_theta} if c.window else {}, quirks.ROTATION
        ),
        "a key more in the window": quirks.WINDOW_LONGER,
        "the window's width on either side": quirks.Quirk(
            lambda c: {"window": 2 * c.window - 1} if c.window else {}, quirks.ATTENTION
        ),
        "no window": quirks.NO_WINDOW,
        "every layer local": quirks.ALL_LOCAL,
        "gelu of tanh": quirks.OTHER_GELU,
        "eps": quirks.EPS,
        "scores not scaled": quirks.UNSCALED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        layers = fields.take("num_hidden_layers", 22)
        fields.only("position_embedding_type", "absolute", "sans_pos", None)
        every = fields.take("global_attn_every_n_layers", 3)
        # local_attention is the width of both sides, and the token itself is seen besides.
        side = fields.take("local_attention", 128) // 2 + 1
        seen = windows(fields, layers, side, lambda n: n % every != 0)
        theta = fields.given("global_rope_theta", 160_000.0)
        turned = rotation(fields, theta, fields.given("local_rope_theta", 10_000.0))
        if not seen:
            turned["rotary_theta_local"] = None
        has_head = "head.dense.weight" in fields.names
        head = {
            "tie_output": fields.take("tie_word_embeddings", True),
            "head_bias": fields.take("classifier_bias", False),
            "output_bias": fields.take("decoder_bias", True),
            "head_activation": fields.choose("classifier_activation", PLAIN, "gelu"),
        }
        bias = fields.take("norm_bias", False)
        return {
            "vocab_size": fields.take("vocab_size"),
            "max_length": fields.take("max_position_embeddings", 8192),
            "d_model": fields.take("hidden_size", 768),
            "layers": layers,
            "heads": fields.take("num_attention_heads", 12),
            "d_ff": fields.take("intermediate_size", 1152),
            "activation": fields.choose("hidden_activation", GATED, "gelu"),
            "norm": "pre",
            "norm_type": "layer_norm" if bias else "layer_norm_no_bias",
            "layer_norm_eps": fields.take("norm_eps", 1e-5),
            "first_norm": False,
            "attention_bias": "all" if fields.take("attention_bias", False) else "none",
            "feed_forward_bias": fields.take("mlp_bias", False),
            "positions": "rotary",
            "token_types": 0,
            "padding_id": fields.given("pad_token_id", 50283),
            "masked_head": has_head,
            **(head if has_head else {}),
            **seen,
            **turned,
        }

    def beside(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """How states become vectors. Raises ConfigError for what npformer has not."""
        return sentence_vectors(files)

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return ENCODER if config.masked_head else HEADLESS

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        norms = ("weight", "bias") if config.norm_type == "layer_norm" else ("weight",)

        def norm(ours: str, theirs: str) -> list[Entry]:
            return [whole(f"{ours}.{kind}", f"{theirs}.{kind}") for kind in norms]

        table = [
            whole("embedding.weight", "embeddings.tok_embeddings.weight"),
            *norm("embedding_norm", "embeddings.norm"),
            *norm("encoder.norm", "final_norm"),
        ]
        for n in range(config.layers):
            ours, theirs = f"encoder.layers.{n}", f"layers.{n}"
            if n:
                table += norm(f"{ours}.self_attn_residual.norm", f"{theirs}.attn_norm")
            table += norm(f"{ours}.feed_forward_residual.norm", f"{theirs}.mlp_norm")
            kinds = ("weight", "bias") if config.attention_bias == "all" else ("weight",)
            for kind in kinds:
                parts = [f"{ours}.self_attn.{name}_proj.{kind}" for name in "qkv"]
                table.append(fused(parts, f"{theirs}.attn.Wqkv.{kind}"))
                table.append(whole(f"{ours}.self_attn.out_proj.{kind}", f"{theirs}.attn.Wo.{kind}"))
            for kind in ("weight", "bias") if config.feed_forward_bias else ("weight",):
                # The first half is what the activation bends: the gate here, the input there.
                parts = [f"{ours}.feed_forward.{name}_proj.{kind}" for name in ("gate", "up")]
                table.append(fused(parts, f"{theirs}.mlp.Wi.{kind}"))
                table.append(
                    whole(f"{ours}.feed_forward.down_proj.{kind}", f"{theirs}.mlp.Wo.{kind}")
                )
        return table + self._head(config, norm) if config.masked_head else table

    def tied(self, config: Any) -> dict[str, str]:
        """The output projection is the embedding."""
        tied = config.masked_head and config.tie_output
        return {"decoder.weight": "embeddings.tok_embeddings.weight"} if tied else {}

    def file_name(self, own: str) -> str:
        """The name in an export: the head is outside of the encoder."""
        return own if own.startswith(("head.", "decoder.")) else f"model.{own}"

    def _head(self, config: Any, norm: Any) -> list[Entry]:
        table = [
            whole("head_dense.weight", "head.dense.weight"),
            *norm("head_norm", "head.norm"),
        ]
        if config.head_bias:
            table.append(whole("head_dense.bias", "head.dense.bias"))
        at = "embedding" if config.tie_output else "output_proj"
        if config.output_bias:
            table.append(whole(f"{at}.bias", "decoder.bias"))
        if not config.tie_output:
            table.append(whole("output_proj.weight", "decoder.weight"))
        return table
