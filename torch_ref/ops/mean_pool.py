"""Mean pooling, by PyTorch's sums."""

from __future__ import annotations

from torch import Tensor

from torch_ref.seam import op


@op
def mean_pool(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """x (B, T, D), mask (B, T) -> (B, D): the mean of the rows that the mask has; of none, 0."""
    if mask is None:
        return x.sum(1) / max(x.shape[1], 1)
    seen = x.masked_fill(~mask[..., None], 0)
    return seen.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
