"""The encoder: a stack of layers that read the source (Vaswani et al., 2017, section 3.1).

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.config import ModelConfig
from npformer.nn.encoder_layer import EncoderLayer, EncoderLayerCache
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.module import Array, Module
from npformer.ops.layer_norm import LayerNormCache


class EncoderCache(NamedTuple):
    layers: list[EncoderLayerCache]
    norm: LayerNormCache | None  # pre-norm only


class Encoder(Module):
    """``encoder_layers`` layers; in pre-norm a last layer norm, as nothing else norms the sum."""

    def __init__(
        self, config: ModelConfig, *, rng: np.random.Generator, dtype: DTypeLike = np.float32
    ) -> None:
        self.layers = [
            EncoderLayer(config, rng=rng, dtype=dtype) for _ in range(config.encoder_layers)
        ]
        self.norm = (
            LayerNorm(config.d_model, config.layer_norm_eps, dtype=dtype)
            if config.norm == "pre"
            else None
        )

    def forward(
        self, x: Array, mask: Array | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Array, EncoderCache]:
        """x (B, S, D), mask (B, 1, 1, S) -> memory (B, S, D), cache."""
        layers = []
        for layer in self.layers:
            x, layer_cache = layer.forward(x, mask, rng)
            layers.append(layer_cache)
        norm = None
        if self.norm is not None:
            x, norm = self.norm.forward(x)
        return x, EncoderCache(layers, norm)

    def backward(self, dmemory: Array, cache: EncoderCache) -> Array:
        """dmemory (B, S, D) -> dx (B, S, D)."""
        dx = dmemory
        if self.norm is not None and cache.norm is not None:
            dx = self.norm.backward(dx, cache.norm)
        for layer, layer_cache in zip(reversed(self.layers), reversed(cache.layers), strict=True):
            dx = layer.backward(dx, layer_cache)
        return dx
