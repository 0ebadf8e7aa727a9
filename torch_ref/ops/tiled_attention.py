"""Attention of tiles: what PyTorch's own kernels give, documents packed into one row among it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from torch_ref.ops.attention import attention
from torch_ref.ops.masks import packed_mask
from torch_ref.seam import op


@op
def tiled_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    sink: Tensor | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
    offsets: Tensor | None = None,
    tile: int = 256,
) -> Tensor:
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv), mask to (B, N, T, S) -> (B, T, N, Hv).

    The kernels have tiles of their own: ``tile`` is not read.
    """
    if offsets is not None:
        packed = packed_mask(offsets.to(q.device), q.shape[1])
        mask = packed if mask is None else mask & packed
    where: dict[str, Any] = {"causal": causal, "window": window}
    return attention(q, k, v, mask, bias, sink, **where, scale=scale, softcap=softcap)
