"""The gated delta rule, a position after the other."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> Tensor:
    """q, k (B, T, N, H), v (B, T, N, Hv), beta (B, T, N), log_decay (B, T, N, 1|H) -> v's.

    The first state (B, N, H, Hv) is 0 unless given.
    """
    return walked(q, k, v, beta, log_decay, state)[0]


def walked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same, and the last state (B, N, H, Hv)."""
    if state is None:
        state = v.new_zeros(*k.shape[:1], *k.shape[2:], v.shape[3])
    read = []
    for t in range(k.shape[1]):
        if log_decay is not None:
            state = log_decay[:, t].exp().unsqueeze(-1) * state
        found = torch.einsum("bnh,bnhv->bnv", k[:, t], state)
        wanted = beta[:, t].unsqueeze(-1) * (v[:, t] - found)
        state = state + torch.einsum("bnh,bnv->bnhv", k[:, t], wanted)
        read.append(torch.einsum("bnh,bnhv->bnv", q[:, t], state))
    return torch.stack(read, 1) if read else v, state
