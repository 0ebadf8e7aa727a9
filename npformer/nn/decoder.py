"""The decoder: layers that write the target while reading the memory (paper, section 3.1).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.nn.decoder_layer import DecoderLayer, DecoderLayerCache
from npformer.nn.key_value_cache import KeyValueCache
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.module import Array, Module
from npformer.nn.sentence_grid import SentenceGrid
from npformer.ops.layer_norm import LayerNormCache


class DecoderCache(NamedTuple):
    layers: list[DecoderLayerCache]
    norm: LayerNormCache | None  # pre-norm only


class Decoder(Module):
    """``decoder_layers`` layers; in pre-norm a last layer norm."""

    def __init__(
        self, config: ModelConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.layers = [
            DecoderLayer(config, rng=rng, dtype=dtype) for _ in range(config.decoder_layers)
        ]
        self.norm = (
            LayerNorm(config.d_model, config.layer_norm_eps, dtype=dtype)
            if config.norm == "pre"
            else None
        )

    def forward(
        self,
        x: Array,
        memory: Array,
        memory_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, DecoderCache]:
        """x (B, T, D), memory (B, S, D), memory_mask (B, 1, 1, S) -> y (B, T, D), cache."""
        layers = []
        for layer in self.layers:
            x, layer_cache = layer.forward(x, memory, memory_mask, rng)
            layers.append(layer_cache)
        norm = None
        if self.norm is not None:
            x, norm = self.norm.forward(x)
        return x, DecoderCache(layers, norm)

    def backward(self, dy: Array, cache: DecoderCache) -> tuple[Array, Array]:
        """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D).

        Every layer reads the memory, so its gradient is the sum over the layers.
        """
        dx = dy
        if self.norm is not None and cache.norm is not None:
            dx = self.norm.backward(dx, cache.norm)
        dmemory: Array | None = None
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx, share = layer.backward(dx, layer_cache)
            dmemory = share if dmemory is None else dmemory + share
        assert dmemory is not None  # ModelConfig demands a decoder layer
        return dx, dmemory

    def start(self, memory: Array, max_length: int) -> list[KeyValueCache]:
        """memory (B, S, D) -> what each layer keeps while decoding up to ``max_length`` tokens."""
        return [layer.start(memory, max_length) for layer in self.layers]

    def step(
        self,
        x: Array,
        caches: list[KeyValueCache],
        memory_mask: Array | None = None,
        grid: SentenceGrid | None = None,
    ) -> Array:
        """The forward of the next position, x (R, 1, D) -> y (R, 1, D)."""
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.step(x, cache, memory_mask, grid)
        return x if self.norm is None else self.norm.forward(x)[0]
