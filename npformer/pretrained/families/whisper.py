"""Whisper (Radford et al., 2022, arXiv:2212.04356): speech to text, as OpenAI's models are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from npformer.audio.log_mel import HOP, RATE, log_mel
from npformer.audio.read import read_audio
from npformer.errors import AudioError
from npformer.ops.array import Array
from npformer.pretrained import quirks
from npformer.pretrained.activations import PLAIN
from npformer.pretrained.families.bart import RELU, STACKS, layer, same
from npformer.pretrained.families.bert import both
from npformer.pretrained.family import Family
from npformer.pretrained.fields import Fields
from npformer.pretrained.library import SPEECH, Library
from npformer.pretrained.tensors import Entry, whole
from npformer.text.tokenizer import Tokenizer

KEYS = "k_proj.bias"
"""What no attention has."""


class Whisper(Family):
    """Two convolutions before the encoder, pre-norm, keys without a bias."""

    model_types: ClassVar[tuple[str, ...]] = ("whisper",)
    model = "whisper"
    bare: ClassVar[tuple[str, ...]] = ("proj_out.weight",)
    ignored_fields: ClassVar = {
        "dropout": "in training alone; a run has a dropout of its own",
        "activation_dropout": "in training alone",
        "encoder_layerdrop": "in training alone",
        "decoder_layerdrop": "in training alone",
        "init_std": "how it was initialised",
        "num_hidden_layers": "of the encoder, which encoder_layers says",
        "scale_embedding": "the library reads it, and multiplies nothing",
        "decoder_start_token_id": "for generating; the files for it are asked",
        "forced_decoder_ids": "for generating",
        "suppress_tokens": "for generating",
        "begin_suppress_tokens": "for generating",
        "max_length": "for generating",
        "classifier_proj_size": "of a classifier's head",
        "use_weighted_layer_sum": "of a classifier's head",
        "apply_spec_augment": "of its training, which hid parts of a sound",
        "mask_time_prob": "of its training",
        "mask_time_length": "of its training",
        "mask_time_min_masks": "of its training",
        "mask_feature_prob": "of its training",
        "mask_feature_length": "of its training",
        "mask_feature_min_masks": "of its training",
        "median_filter_width": "for the times of words, which are not written",
    }
    quirks: ClassVar = {
        "relu": RELU,
        "gelu of tanh": quirks.OTHER_GELU,
        "scores not scaled": quirks.UNSCALED,
        "eps": quirks.EPS,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("is_encoder_decoder", True)
        return {
            "vocab_size": fields.take("vocab_size"),
            "max_length": fields.take("max_target_positions", 448),
            "d_model": fields.take("d_model"),
            "encoder_layers": fields.take("encoder_layers"),
            "decoder_layers": fields.take("decoder_layers"),
            "heads": same(fields, "attention_heads"),
            "d_ff": same(fields, "ffn_dim"),
            "activation": fields.choose("activation_function", PLAIN, "gelu"),
            "padding_id": fields.given("pad_token_id", 50256),
            "tie_output": fields.take("tie_word_embeddings", True),
            "mels": fields.take("num_mel_bins", 80),
            "audio_length": fields.take("max_source_positions", 1500),
        }

    def library(self, config: Any) -> Library:
        """How the transformers library is asked for the same, for a model's config."""
        return SPEECH

    def read(self, given: str, tokenizer: Tokenizer, config: Any) -> Array:
        """The file of a recording -> frames (1, M, A). Raises AudioError for one that is too long,
        or none."""
        samples, longest = read_audio(Path(given)), config.frames * HOP
        if len(samples) > longest:
            raise AudioError(
                f"{given} is {len(samples) / RATE:.1f} s long; this model takes "
                f"{longest / RATE:.1f} s at once: cut it"
            )
        return log_mel(samples, config.mels, config.frames)[None]

    def entries(self, config: Any) -> list[Entry]:
        """The table of parameters and tensors, for a model's config."""
        table = [
            *both("conv1", "encoder.conv1"),
            *both("conv2", "encoder.conv2"),
            whole("audio_positions.weight", "encoder.embed_positions.weight"),
            whole("embedding.weight", "decoder.embed_tokens.weight"),
            whole("positions.weight", "decoder.embed_positions.weight"),
        ]
        if not config.tie_output:
            table.append(whole("output_proj.weight", "proj_out.weight"))
        for stack, layers in zip(STACKS, config.depths, strict=True):
            table += both(f"{stack}.norm", f"{stack}.layer_norm")
            for n in range(layers):
                found = layer(f"{stack}.layers.{n}", stack == "decoder")
                table += [entry for entry in found if not entry.ours[0].endswith(KEYS)]
        return table

    def tied(self, config: Any) -> dict[str, str]:
        """The head is the decoder's embedding."""
        return {"proj_out.weight": "decoder.embed_tokens.weight"} if config.tie_output else {}
