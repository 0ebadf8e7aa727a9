"""Per-layer embeddings: of each token a short row for every layer (Gemma 3n, Google, 2025).

y = (sqrt(P) table[ids] + N(x projection^T / sqrt(D))) / sqrt(2)    in rows of P, one a layer
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_ref.nn.embedding import Embedding
from torch_ref.nn.linear import Linear
from torch_ref.nn.norms import make_norm


class PerLayerEmbedding(nn.Module):
    """A row of ``size`` for each of ``layers``; an id that the table lacks reads row 0."""

    def __init__(
        self,
        num_embeddings: int,
        layers: int,
        size: int,
        d_model: int,
        padding_idx: int | None = None,
        *,
        norm_type: str = "rms_norm",
        eps: float = 1e-5,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.layers, self.size, self.d_model = layers, size, d_model
        self.table = Embedding(num_embeddings, layers * size, padding_idx, **place)
        self.projection = Linear(d_model, layers * size, bias=False, **place)
        self.norm = make_norm(norm_type, size, eps, **place)

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        """x (B, T, D), ids (B, T) -> (B, T, L, P)."""
        rows = (self.layers, self.size)
        known = ids.masked_fill(ids >= self.table.num_embeddings, 0)
        by_token = self.table(known).unflatten(-1, rows) * self.size**0.5
        by_context = self.norm((self.projection(x) * self.d_model**-0.5).unflatten(-1, rows))
        y: Tensor = (by_token + by_context) * 2**-0.5
        return y
