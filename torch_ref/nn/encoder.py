"""The encoder: a stack of layers that read the source (Vaswani et al., 2017, section 3.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from npformer.config import ModelConfig
from torch_ref.nn.call_layer import call_layer
from torch_ref.nn.encoder_layer import EncoderLayer
from torch_ref.nn.layer_norm import LayerNorm


class Encoder(nn.Module):
    """``encoder_layers`` layers; in pre-norm a last layer norm."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.checkpointed = False
        self.layers = nn.ModuleList(
            EncoderLayer(config, dtype=dtype, device=device) for _ in range(config.encoder_layers)
        )
        self.norm = (
            LayerNorm(config.d_model, config.layer_norm_eps, dtype=dtype, device=device)
            if config.norm == "pre"
            else None
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, rng: np.random.Generator | None = None
    ) -> Tensor:
        """x (B, S, D), mask (B, 1, 1, S) -> memory (B, S, D)."""
        for layer in self.layers:
            x = call_layer(layer, x, mask, rng, checkpointed=self.checkpointed)
        return x if self.norm is None else self.norm(x)
