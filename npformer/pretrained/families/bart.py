"""BART (Lewis et al., 2020, arXiv:1910.13461): learned positions, norms after each sum."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.activations import PLAIN
from npformer.pretrained.families.bert import both
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import ENCODER_DECODER, Library
from npformer.pretrained.tensors import Entry, later_rows, row, whole

UNREAD = 2
"""Rows of positions before the first that is read."""
RELU = quirks.Quirk(lambda c: {"activation": "relu"}, "feed_forward")
STACKS = ("encoder", "decoder")


class Bart(Family):
    """Of an encoder-decoder as the library's own classes of translation are made."""

    model_types: ClassVar[tuple[str, ...]] = ("bart",)
    model = "transformer"
    bare: ClassVar[tuple[str, ...]] = ("lm_head.weight", "final_logits_bias")
    activation: ClassVar[str] = "gelu"
    """``activation_function`` where a config has none."""
    padding_id: ClassVar[int] = 1
    """``pad_token_id`` where a config has none."""
    scale: ClassVar[bool] = False
    """``scale_embedding`` where a config has none."""
    ignored_fields: ClassVar = {
        "dropout": "in training alone; a run has a dropout of its own",
        "activation_dropout": "in training alone",
        "encoder_layerdrop": "in training alone",
        "decoder_layerdrop": "in training alone",
        "init_std": "how it was initialised",
        "classifier_dropout": "of a classifier's head",
        "classif_dropout": "of a classifier's head",
        "num_labels": "of a classifier's head",
        "decoder_start_token_id": "for generating; the files for it are asked",
        "forced_bos_token_id": "for generating",
        "forced_eos_token_id": "for generating",
        "bad_words_ids": "for generating",
        "early_stopping": "for generating",
        "length_penalty": "for generating",
        "max_length": "for generating",
        "min_length": "for generating",
        "no_repeat_ngram_size": "for generating",
        "num_beams": "for generating",
        "num_hidden_layers": "of the encoder, which encoder_layers says",
        "extra_pos_embeddings": "the two rows of positions that are never read",
        "gradient_checkpointing": "how it was trained",
        "tokenizer_class": "the tokenizer's files are asked",
        "prefix": "for generating",
        "static_position_embeddings": "of the family, which has them or not",
    }
    quirks: ClassVar = {
        "relu": RELU,
        "eps": quirks.EPS,
        "scores not scaled": quirks.UNSCALED,
        "embedding scaled": quirks.EMBEDDING_SCALED,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("is_encoder_decoder", True)
        fields.only("is_decoder", False)
        fields.only("normalize_before", False)
        fields.only("normalize_embedding", True, False)
        fields.only("add_final_layer_norm", False)
        fields.only("add_bias_logits", False)
        return {
            "vocab_size": fields.take("vocab_size"),
            "max_length": fields.take("max_position_embeddings", 1024),
            "d_model": fields.take("d_model"),
            "encoder_layers": fields.take("encoder_layers"),
            "decoder_layers": fields.take("decoder_layers"),
            "heads": same(fields, "attention_heads"),
            "d_ff": same(fields, "ffn_dim"),
            "activation": fields.choose("activation_function", PLAIN, self.activation),
            "scale_embedding": fields.take("scale_embedding", self.scale),
            "padding_id": fields.given("pad_token_id", self.padding_id),
            "tie_output": fields.take("tie_word_embeddings", True),
            **self.shape(fields),
        }

    def shape(self, fields: Fields) -> dict[str, Any]:
        """What tells the family from others of its kind."""
        return {
            "positions": "learned",
            "share_positions": False,
            "embedding_norm": True,
            "output_bias": "final_logits_bias" in fields.names,
        }

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return ENCODER_DECODER

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        if config.share_embeddings:
            table = [whole("embedding.weight", "shared.weight")]
        else:
            table = [
                whole("source_embedding.weight", "encoder.embed_tokens.weight"),
                whole("embedding.weight", "decoder.embed_tokens.weight"),
            ]
        if not config.tie_output:
            table.append(whole("output_proj.weight", "lm_head.weight"))
        if config.output_bias:
            at = "embedding" if config.tie_output else "output_proj"
            table.append(row(f"{at}.bias", "final_logits_bias"))
        for stack, layers in zip(STACKS, config.depths, strict=True):
            table += self.entrance(config, stack, "source_" if stack == "encoder" else "")
            if config.norm != "post":
                table += both(f"{stack}.norm", f"{stack}.layer_norm")
            for n in range(layers):
                table += layer(f"{stack}.layers.{n}", stack == "decoder")
        return table

    def entrance(self, config: Any, stack: str, prefix: str) -> list[Entry]:
        """The part of a stack's positions and of the norm before its first layer."""
        theirs = f"{stack}.embed_positions.weight"
        return [
            later_rows(f"{prefix}positions.weight", theirs, UNREAD),
            *both(f"{prefix}embedding_norm", f"{stack}.layernorm_embedding"),
        ]

    def tied(self, config: Any) -> dict[str, str]:
        """Both stacks read one embedding, and the head is it too."""
        if not config.share_embeddings:
            return {"lm_head.weight": "decoder.embed_tokens.weight"} if config.tie_output else {}
        names = [f"{stack}.embed_tokens.weight" for stack in STACKS]
        names += ["lm_head.weight"] if config.tie_output else []
        return dict.fromkeys(names, "shared.weight")


def same(fields: Fields, what: str) -> Any:
    """A size that encoder and decoder have in common; raises ConfigError where it differs."""
    sizes = [fields.take(f"{stack}_{what}") for stack in STACKS]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            f"the config has {what} {sizes[0]} in the encoder and {sizes[1]} in the decoder; "
            "npformer has one size for both"
        )
    return sizes[0]


def layer(path: str, decoder: bool) -> list[Entry]:
    """Of one layer, whose path is the same here and there."""
    attentions = {"self_attn": "self_attn"} | ({"cross_attn": "encoder_attn"} if decoder else {})
    names = {"feed_forward.linear1": "fc1", "feed_forward.linear2": "fc2"}
    names["feed_forward_residual.norm"] = "final_layer_norm"
    for own, their in attentions.items():
        names[f"{own}_residual.norm"] = f"{their}_layer_norm"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            names[f"{own}.{part}"] = f"{their}.{part}"
    return [
        entry for own, their in names.items() for entry in both(f"{path}.{own}", f"{path}.{their}")
    ]
