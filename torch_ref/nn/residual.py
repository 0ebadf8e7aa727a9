"""The residual connection around a sub-layer, with its layer norm and dropout.

Post-norm, the paper's (section 3.1 and 5.4):      y = norm(x + dropout(sublayer(x)))
Pre-norm (Xiong et al., 2020):                     y = x + dropout(sublayer(norm(x)))
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.layer_norm import LayerNorm


class Residual(nn.Module):
    """What surrounds a sub-layer; ``norm`` is ``"post"`` or ``"pre"``.

    Raises ConfigError for another.
    """

    def __init__(
        self,
        d_model: int,
        dropout: float,
        norm: str = "post",
        eps: float = 1e-5,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if norm not in ("post", "pre"):
            raise ConfigError(f"norm is {norm!r}; choose one of post, pre")
        self.pre_norm = norm == "pre"
        self.norm = LayerNorm(d_model, eps, dtype=dtype, device=device)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        sublayer: Callable[[Tensor], Tensor],
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """x (..., D) -> (..., D); ``sublayer(h)`` gives a tensor like h."""
        if self.pre_norm:
            return x + self.dropout(sublayer(self.norm(x)), rng)
        return self.norm(x + self.dropout(sublayer(x), rng))
