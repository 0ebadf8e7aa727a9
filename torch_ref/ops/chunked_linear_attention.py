"""Linear attention in chunks."""

from __future__ import annotations

from torch import Tensor

from torch_ref.ops.chunked_gated_delta_rule import in_chunks
from torch_ref.seam import op


@op
def chunked_linear_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
    *,
    chunk: int = 64,
) -> Tensor:
    """q, k (B, T, N, H), v (B, T, N, Hv), log_decay (B, T, N, 1|H), state (B, N, H, Hv) -> v's."""
    return in_chunks(q, k, v, None, log_decay, state, chunk)[0]
