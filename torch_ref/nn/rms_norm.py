"""RMSNorm over the last axis: PyTorch's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops


class RMSNorm(nn.Module):
    """Rows of ``normalized_shape`` numbers to root mean square 1, then times ``weight``.

    With ``plus_one`` they are multiplied by 1 + weight, which begins at 0; with ``weight=False`` by
    nothing. Raises ConfigError for ``plus_one`` without a weight.
    """

    def __init__(
        self,
        normalized_shape: int,
        eps: float = 1e-5,
        *,
        plus_one: bool = False,
        weight: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if plus_one and not weight:
            raise ConfigError("plus_one is set and weight is False; there is nothing to add 1 to")
        self.normalized_shape = (normalized_shape,)
        self.eps = eps
        self.plus_one = plus_one
        start = 0.0 if plus_one else 1.0
        value = torch.full(self.normalized_shape, start, dtype=dtype, device=device)
        self.weight = nn.Parameter(value) if weight else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D), which is rounded to x's dtype once, after the weight.

        A model that is shared out brings its weights in the dtype of the products, which may be
        narrower than x's: they are widened. 1 + weight is made in float32 at least, as in Gemma:
        bfloat16 has too few digits for the sum.
        """
        if self.weight is None:
            return ops.rms_norm(x, eps=self.eps)
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        if self.plus_one:
            dtype = torch.promote_types(dtype, torch.float32)
        wide, weight = x.to(dtype), self.weight.to(dtype)
        return ops.rms_norm(wide, weight, eps=self.eps, plus_one=self.plus_one).to(x.dtype)
