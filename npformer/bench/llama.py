"""Hugging Face's LlamaForCausalLM as a baseline for the twin of a decoder alone.

The same architecture from others' code: RMS norm before each branch, rotary positions, a gated
network, no biases, embedding and output projection one matrix. It is called without a mask, as a
model of language is trained: padding is on the right, so that causal attention hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor

from npformer.bench.module_engine import Forward, ModuleEngine
from npformer.models.gpt import GPTConfig
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.tensors import Exported

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def llama_model(config: GPTConfig) -> LlamaForCausalLM:
    """A LlamaForCausalLM, its weights drawn from PyTorch's generator.

    Raises ModuleNotFoundError without transformers (extra ``marian``).
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    c = config
    options: dict[str, Any] = dict(attn_implementation="sdpa")  # which has no field of its own
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=c.vocab_size,
            hidden_size=c.d_model,
            intermediate_size=c.d_ff,
            num_hidden_layers=c.layers,
            num_attention_heads=c.heads,
            num_key_value_heads=c.kv_heads or c.heads,
            max_position_embeddings=c.max_length,
            rms_norm_eps=c.layer_norm_eps,
            rope_parameters={"rope_theta": c.rotary_theta, "rope_type": "default"},
            initializer_range=c.init_std or 0.02,
            pad_token_id=c.padding_id,
            tie_word_embeddings=True,
            use_cache=False,
            **options,
        )
    )


class LlamaEngine(ModuleEngine):
    """``Engine`` over a LlamaForCausalLM whose first weights follow from ``config.train.seed``."""

    streams: ClassVar = ("target",)
    module: LlamaForCausalLM

    def module_of(self, config: GPTConfig) -> LlamaForCausalLM:
        """A LlamaForCausalLM; ``llama_model`` says what is raised."""
        return llama_model(config)

    def forward_of(self, module: LlamaForCausalLM) -> Forward:
        """The model as its documentation calls it in training."""

        def forward(target: Tensor) -> Tensor:
            logits: Tensor = module(input_ids=target).logits
            return logits

        return forward


def twin_weights(weights: Mapping[str, np.ndarray], config: GPTConfig) -> dict[str, np.ndarray]:
    """The twin's weights under Llama's names."""
    family = Llama()
    exported = Exported(family.entries(config), weights)
    return {family.file_name(name): exported[name] for name in exported}
