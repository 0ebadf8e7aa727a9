"""What the cards of several modules draw alike: configurations, lengths, ids, masks, parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.strategies import Source, draw_rng, draw_sizes, rarely
from npformer.config import ModelConfig


def draw_parameters(module: Any, rng: np.random.Generator, dtype: Any) -> dict[str, Array]:
    """Generic values for every parameter: matrices that keep a row's size, vectors near 1 or 0."""
    drawn = {}
    for path, parameter in module.named_parameters():
        shape = parameter.data.shape
        values = rng.standard_normal(shape)
        if len(shape) == 1:
            values = 0.3 * values + (1.0 if path.endswith("weight") else 0.0)
        else:
            values /= math.sqrt(shape[-1])
        drawn[path] = values.astype(dtype)
    return drawn


HALVES = ("sinusoidal_half", "sinusoidal_tensor2tensor")


def draw_settings(source: Source) -> dict[str, Any]:
    """Of a small model; heads may be of another size than d_model / heads."""
    heads = source.choice((1, 2, 3))
    own = source.choice((False, True))
    return {
        "vocab_size": source.choice((7, 11)),
        "d_model": heads * source.choice((2, 4)) + (1 if own else 0),
        "heads": heads,
        "d_ff": source.choice((5, 9)),
        "encoder_layers": source.choice((1, 2)),
        "decoder_layers": source.choice((1, 2, 3)),
        "d_k": 3 if own else None,
        "d_v": 2 if own else None,
        "dropout": source.choice((0.0, 0.3)),
        "norm": source.choice(("post", "pre")),
        "norm_type": source.choice(("layer_norm", "rms_norm", "rms_norm_plus_one")),
        "activation": source.choice(("relu", "gelu", "gelu_tanh", "silu", "swiglu", "geglu_tanh")),
        "positions": source.choice(("sinusoidal", "learned", *HALVES)),
        "tie_output": source.choice((True, False)),
        "output_bias": rarely(source, 3),
        "max_length": 8,
        "padding_id": source.choice((0, 2)),
    }


def draw_lengths(source: Source) -> tuple[int, int, int]:
    """B, T, S, all different; now and then one of them 1 or 0 (S at least 1)."""
    sizes = draw_sizes(source, "bts", {"s": 1})
    return sizes["b"], sizes["t"], sizes["s"]


def draw_ids(
    source: Source, shape: tuple[int, int], config: ModelConfig, count: int | None = None
) -> Array:
    """Token ids (B, L) with padding on the right; a row keeps at least one token.

    They are below ``count``, the size of the vocabulary unless given.
    """
    rng = draw_rng(source)
    size = config.vocab_size if count is None else count
    words = [i for i in range(size) if i != config.padding_id]
    ids = rng.choice(words, shape)
    if shape[1] and config.padding_id is not None and source.choice((False, True)):
        keep = rng.integers(1, shape[1] + 1, (shape[0], 1))
        ids = np.where(np.arange(shape[1]) < keep, ids, config.padding_id)
    return ids


def draw_documents(source: Source, shape: tuple[int, int]) -> Array | None:
    """None, or (B, T): texts one after the other, some of them padding, 0."""
    if not source.choice((False, True)):
        return None
    rng = draw_rng(source)
    begins = rng.random(shape) < 0.4
    numbers = 1 + np.cumsum(begins, axis=1)
    padding = rng.random((shape[0], shape[1] + 2)) < 0.3  # of each text, by its number
    return np.where(np.take_along_axis(padding, numbers, axis=1), 0, numbers)


def draw_mask(source: Source, b: int, s: int) -> Array | None:
    """None, or (B, 1, 1, S), where a row may be hidden whole."""
    if not source.choice((False, True)):
        return None
    return draw_rng(source).random((b, 1, 1, s)) < 0.6


def draw_seed(source: Source) -> int | None:
    """A seed, or None for inference."""
    return None if rarely(source, 3) else source.integer(0, 2**32 - 1)
