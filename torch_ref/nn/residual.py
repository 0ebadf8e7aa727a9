"""The residual connection around a sub-layer, with its norm and dropout.

Where the norm is placed (N is the norm, f the sub-layer, d dropout):

    post        y = N(x + d(f(x)))         the paper's (section 3.1 and 5.4)
    pre         y = x + d(f(N(x)))         Xiong et al., 2020, arXiv:2002.04745
    sandwich    y = x + d(N'(f(N(x))))     Gemma 2's: a second norm, of the branch
    branch      y = x + d(N(f(x)))         OLMo 2's: of the branch alone
    none        y = x + d(f(x))            ModernBERT's first: of a stream that is normed already

A ``scale`` multiplies what is added: y = x + scale * d(...), as in Granite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError, nearest
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.norms import make_norm

PLACEMENTS = ("post", "pre", "sandwich", "branch", "none")


class Residual(nn.Module):
    """What surrounds a sub-layer; ``norm`` is one of ``PLACEMENTS``, ``norm_type`` of ``NORMS``.

    ``scale`` is the factor of the branch. Raises ConfigError for another placement or norm.
    """

    norm: Any  # None where there is none

    def __init__(
        self,
        d_model: int,
        dropout: float,
        norm: str = "post",
        eps: float = 1e-5,
        *,
        norm_type: str = "layer_norm",
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if norm not in PLACEMENTS:
            raise ConfigError(
                f"norm is {norm!r}; choose one of {', '.join(PLACEMENTS)}"
                + nearest(norm, PLACEMENTS)
            )
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.placement = norm
        self.pre_norm = norm in ("pre", "sandwich")
        self.norm = None if norm == "none" else make_norm(norm_type, d_model, eps, **place)
        self.norm_after = (
            make_norm(norm_type, d_model, eps, **place) if norm == "sandwich" else None
        )
        self.dropout = Dropout(dropout)
        self.scale = scale

    def forward(
        self,
        x: Tensor,
        sublayer: Callable[[Tensor], Tensor],
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """x (..., D) -> (..., D); ``sublayer(h)`` gives a tensor like h."""
        h = sublayer(self.norm(x) if self.pre_norm else x)
        if self.placement == "branch":
            h = self.norm(h)
        if self.norm_after is not None:
            h = self.norm_after(h)
        y = torch.add(x, self.dropout(h, rng), alpha=self.scale)
        return self.norm(y) if self.placement == "post" else y
