"""One vector for a text: a mean over its tokens, or its first one, at length 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.linear import Linear


class Pooling(nn.Module):
    """A text's tokens to one vector; ``kind`` is mean, cls or pooler.

    Raises ConfigError for another.
    """

    def __init__(
        self,
        d_model: int,
        kind: str = "mean",
        normalize: bool = True,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if kind not in ("mean", "cls", "pooler"):
            raise ConfigError(f"pooling is {kind!r}; choose one of mean, cls, pooler")
        self.kind = kind
        self.normalize = normalize
        pooler = kind == "pooler"
        self.dense = Linear(d_model, d_model, dtype=dtype, device=device) if pooler else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, T, D), mask (B, T), True = a token -> (B, D)."""
        if self.kind != "mean":
            if mask is None:
                mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
            mask = mask & (mask.cumsum(1) == 1)
        y = ops.mean_pool(x, mask)
        if self.dense is not None:
            y = ops.softcap(self.dense(y), cap=1.0)
        return ops.l2_norm(y) if self.normalize else y
