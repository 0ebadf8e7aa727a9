"""A small configuration of the library's for each family, with what it is known for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers

SIZES: dict[str, Any] = dict(
    vocab_size=43,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    intermediate_size=28,
    max_position_embeddings=32,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=100.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)

SPECIMENS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=43, n_embd=24, n_layer=2, n_head=4, n_positions=32
    ),
    "llama": lambda: transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3),
    "llama-tied-biased": lambda: transformers.LlamaConfig(
        **SIZES, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, pad_token_id=2
    ),
}
