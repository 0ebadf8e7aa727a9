"""BERT (Devlin et al., 2019, arXiv:1810.04805), and MiniLM and others of its shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.activations import PLAIN
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import ENCODER, HEADLESS, Library
from npformer.pretrained.sentence_vectors import sentence_vectors
from npformer.pretrained.tensors import Entry, whole

KINDS = ("weight", "bias")


class Bert(Family):
    """With the head that predicts hidden tokens, or the encoder alone, which gives vectors."""

    model_types: ClassVar[tuple[str, ...]] = ("bert",)
    model = "bert"
    prefixes: ClassVar[tuple[str, ...]] = ("bert.",)
    head: ClassVar[dict[str, str]] = {
        "head_dense": "cls.predictions.transform.dense",
        "head_norm": "cls.predictions.transform.LayerNorm",
    }
    """What the parts of the head are called."""
    output: ClassVar[str] = "cls.predictions"
    """Where the bias of the logits is, and the output projection."""
    renamed: ClassVar = {
        r"LayerNorm\.gamma": "LayerNorm.weight",
        r"LayerNorm\.beta": "LayerNorm.bias",
    }
    ignored_fields: ClassVar = {
        "hidden_dropout_prob": "in training alone; a run has a dropout of its own",
        "attention_probs_dropout_prob": "in training alone",
        "classifier_dropout": "of a classifier's head",
        "directionality": "of a classifier's head",
        "pooler_fc_size": "of a classifier's head",
        "pooler_num_attention_heads": "of a classifier's head",
        "pooler_num_fc_layers": "of a classifier's head",
        "pooler_size_per_head": "of a classifier's head",
        "pooler_type": "of a classifier's head",
    }
    ignored_tensors: ClassVar = {
        r"embeddings\.position_ids": "0, 1, 2 and so on, which older files hold",
        r"pooler\.dense\.(weight|bias)": "of a classifier's head, which npformer has not",
        r"cls\.seq_relationship\.(weight|bias)": "of training, whether two sentences follow",
    }
    quirks: ClassVar = {
        "gelu of tanh": quirks.OTHER_GELU,
        "eps": quirks.Quirk(
            lambda c: {"layer_norm_eps": 1e-5 if c.layer_norm_eps < 1e-5 else 1e-12}, quirks.NORM
        ),
        "scores not scaled": quirks.UNSCALED,
        "tanh in the head": quirks.Quirk(lambda c: {"head_activation": "gelu_tanh"}, "activation"),
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("position_embedding_type", "absolute", None)
        fields.only("is_decoder", False)
        fields.only("add_cross_attention", False)
        activation = fields.choose("hidden_act", PLAIN, "gelu")
        has_head = f"{self.head['head_dense']}.weight" in fields.names
        tied = fields.take("tie_word_embeddings", True)
        head = {"tie_output": tied, "head_activation": activation} if has_head else {}
        return {
            "vocab_size": fields.take("vocab_size"),
            "max_length": fields.take("max_position_embeddings", 512),
            "d_model": fields.take("hidden_size"),
            "layers": fields.take("num_hidden_layers"),
            "heads": fields.take("num_attention_heads"),
            "d_ff": fields.take("intermediate_size"),
            "activation": activation,
            "layer_norm_eps": fields.take("layer_norm_eps", 1e-12),
            "token_types": fields.take("type_vocab_size", 2),
            "padding_id": fields.given("pad_token_id", 0),
            "masked_head": has_head,
            **head,
        }

    def beside(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """How states become vectors. Raises ConfigError for what npformer has not."""
        return sentence_vectors(files)

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return ENCODER if config.masked_head else HEADLESS

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [
            whole("embedding.weight", "embeddings.word_embeddings.weight"),
            self.table_of_positions(config),
            whole("type_embedding.weight", "embeddings.token_type_embeddings.weight"),
            *both("embedding_norm", "embeddings.LayerNorm"),
        ]
        for n in range(config.layers):
            table += self._layer(f"encoder.layers.{n}", f"encoder.layer.{n}")
        if config.masked_head:
            for own, their in self.head.items():
                table += both(own, their)
            at = "embedding" if config.tie_output else "output_proj"
            table.append(whole(f"{at}.bias", f"{self.output}.bias"))
            if not config.tie_output:
                table.append(whole("output_proj.weight", f"{self.output}.decoder.weight"))
        return table

    def table_of_positions(self, config: Any) -> Entry:
        """A row for each position."""
        return whole("positions.weight", "embeddings.position_embeddings.weight")

    def tied(self, config: Any) -> dict[str, str]:
        """The output projection is the embedding, and its bias is there twice in older files."""
        if not config.masked_head:
            return {}
        found = {f"{self.output}.decoder.bias": f"{self.output}.bias"}
        if config.tie_output:
            found[f"{self.output}.decoder.weight"] = "embeddings.word_embeddings.weight"
        return found

    def file_name(self, own: str) -> str:
        """The name in an export: the head is outside of the encoder."""
        outside = own.startswith((*self.head.values(), f"{self.output}."))
        return own if outside else f"{self.prefixes[-1]}{own}"

    def _layer(self, ours: str, theirs: str) -> list[Entry]:
        names = {
            "self_attn.q_proj": "attention.self.query",
            "self_attn.k_proj": "attention.self.key",
            "self_attn.v_proj": "attention.self.value",
            "self_attn.out_proj": "attention.output.dense",
            "self_attn_residual.norm": "attention.output.LayerNorm",
            "feed_forward.linear1": "intermediate.dense",
            "feed_forward.linear2": "output.dense",
            "feed_forward_residual.norm": "output.LayerNorm",
        }
        return [
            entry
            for own, their in names.items()
            for entry in both(f"{ours}.{own}", f"{theirs}.{their}")
        ]


def both(ours: str, theirs: str) -> list[Entry]:
    """The weight and the bias of a module."""
    return [whole(f"{ours}.{kind}", f"{theirs}.{kind}") for kind in KINDS]
