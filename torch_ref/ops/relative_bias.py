"""T5's relative bias in PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_ref.ops.alibi import relative_positions
from torch_ref.seam import op


@op
def relative_bias(
    weight: Tensor,
    *,
    t: int,
    s: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    at: int | Tensor | None = None,
) -> Tensor:
    """weight (K, N) -> (N, T, S); ``at``, the first query's position, may be a tensor (1,)."""
    relative = relative_positions(t, s, at, weight.device)
    buckets = _buckets(relative, len(weight), bidirectional, max_distance)
    return F.embedding(buckets, weight).permute(2, 0, 1)


def _buckets(relative: Tensor, count: int, bidirectional: bool, max_distance: int) -> Tensor:
    """By where the buckets begin: the first distance of each."""
    one_way = count // 2 if bidirectional else count
    exact = one_way // 2
    place = torch.arange(one_way, dtype=torch.float64, device=relative.device)
    widths = exact * (max_distance / exact) ** ((place - exact) / (one_way - exact))
    # An integer distance that begins a bucket must not miss it by the power's last digit.
    starts = torch.where(place < exact, place, (widths - 1e-9).ceil())
    distance = relative.abs() if bidirectional else (-relative).clamp(min=0)
    buckets = torch.searchsorted(starts, distance.to(torch.float64), right=True) - 1
    return torch.where(relative > 0, buckets + one_way, buckets) if bidirectional else buckets
