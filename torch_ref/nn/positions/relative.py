"""T5's relative bias: a learned score for each distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.seam import method
from torch_ref.nn.positions.base import Positions
from torch_ref.ops.relative_bias import relative_bias
from torch_ref.seam import op


class RelativePositions(Positions):
    """The bias of T5; ``weight`` is (buckets, heads)."""

    biases = True

    def __init__(
        self,
        heads: int,
        buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = False,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.max_distance = max_distance
        self.weight = nn.Parameter(torch.empty(buckets, heads, dtype=dtype, device=device))
        nn.init.normal_(self.weight, std=heads**-0.5)

    @method
    @op
    def bias(self, t: int, s: int, at: int | Tensor | None = None) -> Tensor:
        """Queries t, keys s -> (1, N, t, s)."""
        return relative_bias(
            self.weight,
            t=t,
            s=s,
            bidirectional=self.bidirectional,
            max_distance=self.max_distance,
            at=at,
        )[None]
