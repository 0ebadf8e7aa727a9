"""A small random model of every family and of every part that is drawn in its own way."""

from __future__ import annotations

import numpy as np

from npformer.models.bert import BERT, BERTConfig
from npformer.models.gpt import GPT, GPTConfig
from npformer.models.transformer import Transformer, TransformerConfig

WORDS = 18
"""Of the tokenizer of ``conftest``."""
SIZES = {"d_model": 8, "heads": 2, "d_ff": 8, "max_length": 16, "dropout": 0.0}
TODAY = {"norm_type": "rms_norm", "positions": "rotary", "activation": "swiglu"}
MIXTURE = {"experts": 4, "experts_per_token": 2, "shared_d_ff": 4, "kv_heads": 1, "window": 3}
DELTA = {
    "delta_pattern": "D", "delta_heads": 2, "delta_key_heads": 1, "delta_key_size": 4,
    "delta_value_size": 4, "delta_width": 3,
}  # fmt: skip
LATENT = {"latent_size": 4, "value_size": 4, "head_size": 8, "rotary_fraction": 0.5}


def gpt(**settings):
    return GPT(GPTConfig(**SIZES, **settings, vocab_size=WORDS), rng=np.random.default_rng(3))


def bert(**settings):
    return BERT(BERTConfig(**SIZES, **settings, vocab_size=WORDS), rng=np.random.default_rng(3))


def pair(**settings):
    config = TransformerConfig(**SIZES, **settings, vocab_size=WORDS)
    return Transformer(config, rng=np.random.default_rng(3))


MODELS = {
    "encoder-decoder": lambda: pair(encoder_layers=1, decoder_layers=1),
    "t5": lambda: pair(encoder_layers=2, decoder_layers=1, positions="t5", norm="pre"),
    "gpt": lambda: gpt(layers=2),
    "bert": lambda: bert(layers=1),
    "sandwich": lambda: gpt(layers=6, norm="sandwich", attention_gate=True, **TODAY),
    "branch": lambda: gpt(layers=2, norm="branch", logit_softcap=30.0, scale_embedding=True),
    "mixture": lambda: gpt(layers=1, **TODAY, **MIXTURE),
    "gated-mixture": lambda: gpt(layers=1, **TODAY, **MIXTURE, shared_gate=True),
    "delta": lambda: gpt(layers=1, **TODAY, **DELTA),
    "parallel": lambda: gpt(layers=2, norm="pre", parallel=True, **TODAY),
    "streams": lambda: gpt(layers=2, norm="pre", streams=3),
    "latent": lambda: gpt(layers=1, **TODAY, **LATENT, attention_bias="none"),
}
