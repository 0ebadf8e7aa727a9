"""ALiBi in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def alibi(slopes: Tensor, *, t: int, s: int, at: int | Tensor | None = None) -> Tensor:
    """slopes (N,) -> (N, T, S); ``at``, the first query's position, may be a tensor (1,)."""
    distance = relative_positions(t, s, at, slopes.device).abs()
    return -torch.einsum("n,ts->nts", slopes, distance.to(slopes.dtype))


def relative_positions(t: int, s: int, at: int | Tensor | None, device: torch.device) -> Tensor:
    """(t, s): how far each of s keys is after each of t queries, the last of which is the last."""
    query = torch.arange(t, device=device) + (s - t if at is None else at)
    return torch.arange(s, device=device)[None, :] - query[:, None]


def alibi_slopes(heads: int) -> list[float]:
    """The paper's slopes, by its recursion over the power of two below."""
    power = 1 << (heads.bit_length() - 1)
    start = 2 ** -(8 / power)
    slopes = [start ** (i + 1) for i in range(power)]
    return slopes if power == heads else slopes + alibi_slopes(2 * power)[0::2][: heads - power]
