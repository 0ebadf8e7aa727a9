"""The residual of several streams around a sub-layer: hyper-connections (Zhu et al., 2024).

h = f(N(read . streams))        one vector, as wide as a stream
streams' = M streams + write h  with the mixing matrix M
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref import ops
from torch_ref.nn.dropout import Dropout
from torch_ref.nn.norms import make_norm

MIXINGS = ("free", "sinkhorn")
LOGIT = 8.0


class StreamResidual(nn.Module):
    """What surrounds a sub-layer where the residual has ``streams``; ``mixing`` is of ``MIXINGS``.

    Raises ConfigError for another mixing.
    """

    def __init__(
        self,
        d_model: int,
        dropout: float,
        streams: int,
        eps: float = 1e-5,
        *,
        mixing: str = "free",
        first: int = 0,
        norm_type: str = "layer_norm",
        scale: float = 1.0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if mixing not in MIXINGS:
            raise ConfigError(f"mixing is {mixing!r}; choose one of {', '.join(MIXINGS)}")
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        self.streams, self.mixing, self.scale = streams, mixing, scale
        eye = torch.eye(streams, **place)
        self.read = nn.Parameter(eye[first % streams].clone())
        self.write = nn.Parameter(torch.ones(streams, **place))
        self.mix = nn.Parameter(((LOGIT if mixing == "sinkhorn" else 1.0) * eye).flatten())
        self.norm = make_norm(norm_type, d_model, eps, **place)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        sublayer: Callable[[Tensor], Tensor],
        rng: np.random.Generator | None = None,
    ) -> Tensor:
        """x (..., J, D) -> (..., J, D); ``sublayer(h)`` gives a tensor like h (..., D)."""
        mix = self.mix.view(self.streams, self.streams)
        if self.mixing == "sinkhorn":
            mix = ops.sinkhorn(mix)
        h = self.dropout(sublayer(self.norm(ops.read_streams(x, self.read))), rng)
        y: Tensor = ops.write_streams(x, self.scale * h, mix, self.write)
        return y
