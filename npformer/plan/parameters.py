"""How many numbers the model's parameters hold, module by module."""

from __future__ import annotations

from typing import NamedTuple

from npformer.config import OptimConfig
from npformer.models.transformer import TransformerConfig

MOMENTS = {"adam": 2, "adamw": 2, "sgd": 1}
"""Arrays of the parameters' size that each optimizer keeps."""


class Parameters(NamedTuple):
    """Numbers by module; a layer's are of one layer."""

    embedding: int
    encoder_layer: int
    decoder_layer: int
    final_norms: int  # pre-norm's, both stacks
    output: int  # 0 where it is the embedding
    total: int


def count_parameters(config: TransformerConfig) -> Parameters:
    """The parameters of a model; ``total`` counts every layer."""
    c = config
    norm = 2 * c.d_model
    ffn = linear_size(c.d_model, c.d_ff) + linear_size(c.d_ff, c.d_model) + norm
    k, v = c.heads * c.head_k, c.heads * c.head_v
    attention = (
        2 * linear_size(c.d_model, k) + linear_size(c.d_model, v) + linear_size(v, c.d_model) + norm
    )
    embedding = c.vocab_size * c.d_model
    encoder_layer, decoder_layer = attention + ffn, 2 * attention + ffn
    final_norms = 2 * norm if c.norm == "pre" else 0
    output = 0 if c.tie_output else embedding
    total = (
        embedding
        + c.encoder_layers * encoder_layer
        + c.decoder_layers * decoder_layer
        + final_norms
        + output
    )
    return Parameters(embedding, encoder_layer, decoder_layer, final_norms, output, total)


def linear_size(inputs: int, outputs: int) -> int:
    """A Linear's weight and bias."""
    return (inputs + 1) * outputs


def optimizer_size(config: OptimConfig, parameters: int) -> int:
    """Numbers that the optimizer keeps for so many parameters."""
    return MOMENTS[config.name] * parameters
