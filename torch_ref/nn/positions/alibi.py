"""ALiBi: scores fall with distance."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from npformer.seam import method
from torch_ref.nn.positions.base import Positions
from torch_ref.ops.alibi import alibi, alibi_slopes
from torch_ref.seam import op


class AlibiPositions(Positions):
    """The bias of ALiBi; its slopes are constants, or a parameter if ``learned``.

    Raises ConfigError for a number of heads below 1.
    """

    biases = True
    slopes: Tensor | None
    constant: Tensor

    def __init__(
        self,
        heads: int,
        learned: bool = False,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ConfigError(f"heads is {heads}; it must be 1 or more")
        slopes = torch.tensor(alibi_slopes(heads), dtype=dtype, device=device)
        self.register_parameter("slopes", nn.Parameter(slopes.clone()) if learned else None)
        self.register_buffer("constant", slopes, persistent=False)

    @method
    @op
    def bias(self, t: int, s: int, at: int | Tensor | None = None) -> Tensor:
        """Queries t, keys s -> (1, N, t, s)."""
        slopes = self.constant if self.slopes is None else self.slopes
        return alibi(slopes, t=t, s=s, at=at)[None]
