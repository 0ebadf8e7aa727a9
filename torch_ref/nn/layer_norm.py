"""LayerNorm over the last axis: PyTorch's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.LayerNorm):
    """Rows of ``normalized_shape`` numbers to mean 0, variance 1, ``weight``, any ``bias``."""

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        bias: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D).

        A model that is shared out brings its weights in the dtype of the products, which may be
        narrower than x's: they are widened.
        """
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        weight = self.weight.to(dtype)
        bias = torch.zeros_like(weight) if self.bias is None else self.bias.to(dtype)
        return F.layer_norm(x, self.normalized_shape, weight, bias, self.eps)
