"""T5 (Raffel et al., 2020, arXiv:1910.10683), 1.0 and 1.1, and mT5."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import GATED, PLAIN
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import ENCODER_DECODER, Library
from npformer.pretrained.tensors import Entry, whole


class T5(Family):
    """No biases, scores that are not scaled, and one bias of distances for each stack."""

    model_types: ClassVar[tuple[str, ...]] = ("t5", "mt5")
    model = "transformer"
    prefixes: ClassVar[tuple[str, ...]] = ("",)
    bare: ClassVar[tuple[str, ...]] = ()
    ignored_fields: ClassVar = {
        "dropout_rate": "in training alone; a run has a dropout of its own",
        "classifier_dropout": "of a classifier's head",
        "initializer_factor": "how it was initialised",
        "n_positions": "of its training; distances have no end",
        "output_past": "of an older library",
        "decoder_start_token_id": "for generating; it is padding",
        "tokenizer_class": "the tokenizer's files are asked",
        "max_length": "for generating",
    }
    ignored_tensors: ClassVar = {
        r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight": (
            "an older library saved it, and nothing reads it"
        ),
    }
    quirks: ClassVar = {
        "scores scaled": quirks.SCALE_OF_HEAD,
        "embedding scaled": quirks.EMBEDDING_SCALED,
        "logits scaled by the other rule": quirks.Quirk(
            lambda c: {"scale_output": not c.scale_output}, ""
        ),
        "weights of 1 + w": quirks.WITH_ONE,
        "a shorter distance": quirks.Quirk(
            lambda c: {"relative_max_distance": c.relative_max_distance // 2}, "positions"
        ),
        "another activation": quirks.Quirk(
            lambda c: {"activation": "geglu" if "glu" in c.activation else "silu"},
            "feed_forward.activation",
        ),
        "eps": quirks.EPS,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        layers = fields.take("num_layers", 6)
        tied = fields.take("tie_word_embeddings", True)
        # Today's library says here what tie_word_embeddings said, and sets that to true always.
        scaled = fields.take("scale_decoder_outputs", tied)
        fields.only("is_encoder_decoder", True)
        fields.only("is_decoder", False)
        kind, _, function = fields.take("feed_forward_proj", "relu").rpartition("-")
        function = "gelu_new" if (kind, function) == ("gated", "gelu") else function
        for name in ("dense_act_fn", "is_gated_act"):
            fields.take(name, None)
        activations = Fields({"feed_forward_proj": function}, "the config", {})
        return {
            "vocab_size": fields.take("vocab_size"),
            "max_length": LONGEST,
            "d_model": fields.take("d_model", 512),
            "encoder_layers": layers,
            "decoder_layers": fields.given("num_decoder_layers", layers),
            "heads": fields.take("num_heads", 8),
            "head_size": fields.take("d_kv", 64),
            "d_ff": fields.take("d_ff", 2048),
            "activation": activations.choose("feed_forward_proj", GATED if kind else PLAIN),
            "norm": "pre",
            "norm_type": "rms_norm",
            "layer_norm_eps": fields.take("layer_norm_epsilon", 1e-6),
            "positions": "t5",
            "relative_buckets": fields.take("relative_attention_num_buckets", 32),
            "relative_max_distance": fields.take("relative_attention_max_distance", 128),
            "attention_bias": "none",
            "attention_scale": 1.0,
            "feed_forward_bias": False,
            "scale_embedding": False,
            "scale_output": bool(scaled),
            "padding_id": fields.given("pad_token_id", 0),
            "padding_gradient": True,
            # Whether it is tied the file says, not the config: see above.
            "tie_output": "lm_head.weight" not in fields.names,
        }

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return ENCODER_DECODER

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [whole("embedding.weight", "shared.weight")]
        if not config.tie_output:
            table.append(whole("output_proj.weight", "lm_head.weight"))
        stacks = (("encoder", config.encoder_layers), ("decoder", config.decoder_layers))
        for stack, layers in stacks:
            bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
            table.append(whole(f"{stack}.positions.weight", bias))
            table.append(whole(f"{stack}.norm.weight", f"{stack}.final_layer_norm.weight"))
            for n in range(layers):
                table += self._layer(config, f"{stack}.layers.{n}", f"{stack}.block.{n}.layer")
        return table

    def tied(self, config: Any) -> dict[str, str]:
        """Both stacks read one embedding; the head is compared where it is there."""
        return {f"{stack}.embed_tokens.weight": "shared.weight" for stack in ("encoder", "decoder")}

    def _layer(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        parts = [("self_attn", "SelfAttention")]
        if ours.startswith("decoder"):
            parts.append(("cross_attn", "EncDecAttention"))
        table = []
        for index, (own, their) in enumerate(parts):
            norm = f"{theirs}.{index}.layer_norm.weight"
            table.append(whole(f"{ours}.{own}_residual.norm.weight", norm))
            for name, letter in (("q", "q"), ("k", "k"), ("v", "v"), ("out", "o")):
                table.append(
                    whole(
                        f"{ours}.{own}.{name}_proj.weight",
                        f"{theirs}.{index}.{their}.{letter}.weight",
                    )
                )
        last = f"{theirs}.{len(parts)}"
        names = {"linear1": "wi", "linear2": "wo"}
        if "glu" in config.activation:
            names = {"gate_proj": "wi_0", "up_proj": "wi_1", "down_proj": "wo"}
        table.append(
            whole(f"{ours}.feed_forward_residual.norm.weight", f"{last}.layer_norm.weight")
        )
        return table + [
            whole(f"{ours}.feed_forward.{own}.weight", f"{last}.DenseReluDense.{their}.weight")
            for own, their in names.items()
        ]


LONGEST = 2048
"""Tokens that a model takes; T5's own distances have no end, and its files name none."""
