"""Multi-token prediction: a layer that looks one token further (DeepSeek-V3, section 2.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from torch_ref.nn.linear import Linear
from torch_ref.nn.norms import make_norm
from torch_ref.nn.stack import Stack


class MultiTokenPrediction(nn.Module):
    """Two norms, the matrix that joins what they give, and a causal ``Stack`` of one layer."""

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        *,
        eps: float = 1e-5,
        norm_type: str = "layer_norm",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        norms: dict[str, Any] = {"eps": eps, "norm_type": norm_type}
        self.state_norm = make_norm(norm_type, d_model, eps, **place)
        self.token_norm = make_norm(norm_type, d_model, eps, **place)
        self.proj = Linear(2 * d_model, d_model, False, **place)
        self.stack = Stack(1, d_model, heads, d_ff, causal=True, **norms, **settings, **place)

    def forward(
        self,
        h: Tensor,
        e: Tensor,
        mask: Tensor | None = None,
        rng: np.random.Generator | None = None,
        at: int | Tensor | None = None,
        texts: Tensor | None = None,
    ) -> Any:
        """h (B, T, D), e (B, T, D) -> (B, T, D), and with ``texts`` the ``Auxiliary`` after it."""
        x = self.proj(torch.cat([self.state_norm(h), self.token_norm(e)], -1))
        return self.stack(x, mask=mask, rng=rng, at=at, texts=texts)
