"""The decoder: a stack of layers that write the target while reading the memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from npformer.config import ModelConfig
from torch_ref.nn.call_layer import call_layer
from torch_ref.nn.decoder_layer import DecoderLayer
from torch_ref.nn.key_value_cache import KeyValueCache
from torch_ref.nn.layer_norm import LayerNorm
from torch_ref.nn.sentence_grid import SentenceGrid


class Decoder(nn.Module):
    """``decoder_layers`` layers; in pre-norm a last layer norm."""

    layers: Sequence[DecoderLayer]

    def __init__(
        self,
        config: ModelConfig,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.checkpointed = False
        self.layers = nn.ModuleList(  # type: ignore[assignment]
            DecoderLayer(config, dtype=dtype, device=device) for _ in range(config.decoder_layers)
        )
        self.norm = (
            LayerNorm(config.d_model, config.layer_norm_eps, dtype=dtype, device=device)
            if config.norm == "pre"
            else None
        )

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """x (B, T, D), memory (B, S, D), memory_mask (B, 1, 1, S) -> (B, T, D)."""
        for layer in self.layers:
            x = call_layer(layer, x, memory, memory_mask, rng, checkpointed=self.checkpointed)
        return x if self.norm is None else self.norm(x)

    def start(self, memory: Tensor, max_length: int) -> list[KeyValueCache]:
        """memory (B, S, D) -> what each layer keeps while decoding up to ``max_length`` tokens."""
        return [layer.start(memory, max_length) for layer in self.layers]

    def step(
        self,
        x: Tensor,
        caches: Sequence[KeyValueCache],
        memory_mask: Tensor | None = None,
        grid: SentenceGrid | None = None,
    ) -> Tensor:
        """The forward of the next position, x (R, 1, D) -> (R, 1, D)."""
        for layer, cache in zip(self.layers, caches, strict=True):
            x = layer.step(x, cache, memory_mask, grid)
        return x if self.norm is None else self.norm(x)
