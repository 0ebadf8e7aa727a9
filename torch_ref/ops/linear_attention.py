"""Linear attention, a position after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None = None, state: Tensor | None = None
) -> Tensor:
    """q, k (B, T, N, H), v (B, T, N, Hv), log_decay (B, T, N, 1|H), state (B, N, H, Hv) -> v's."""
    if state is None:
        state = v.new_zeros(*k.shape[:1], *k.shape[2:], v.shape[3])
    read = []
    for t in range(k.shape[1]):
        if log_decay is not None:
            state = log_decay[:, t].exp().unsqueeze(-1) * state
        state = state + torch.einsum("bnh,bnv->bnhv", k[:, t], v[:, t])
        read.append(torch.einsum("bnh,bnhv->bnv", q[:, t], state))
    return torch.stack(read, 1) if read else v
