"""The gated delta rule in chunks: what a chunk writes by the inverse of its triangular matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_ref.seam import op


@op
def chunked_gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    state: Tensor | None = None,
    *,
    chunk: int = 64,
) -> Tensor:
    """q, k (B, T, N, H), v (B, T, N, Hv), beta (B, T, N), log_decay (B, T, N, 1|H) -> v's.

    The first state (B, N, H, Hv) is 0 unless given.
    """
    return in_chunks(q, k, v, beta, log_decay, state, chunk)[0]


def in_chunks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor | None,
    log_decay: Tensor | None,
    state: Tensor | None,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """The same, and the last state; without ``beta`` every position writes its value as it is."""
    if state is None:
        state = v.new_zeros(*k.shape[:1], *k.shape[2:], v.shape[3])
    none = torch.zeros_like(k[..., :1])
    decays = none if log_decay is None else log_decay
    read = []
    for start in range(0, k.shape[1], chunk):
        here = slice(start, start + chunk)
        qc, kc, vc, gc = (x[:, here].transpose(1, 2) for x in (q, k, v, decays))  # (B, N, C, H)
        size = gc.shape[2]
        # The sum of the decays behind j up to i, and not a difference of running sums: those of
        # what a strong decay has forgotten would be rounding alone.
        behind = torch.ones(size, size + 1, dtype=torch.bool, device=q.device).tril()[..., None]
        total = gc.unsqueeze(3).where(behind, 0).cumsum(2)  # (B, N, C, C + 1, 1 or H)
        since, until = total[:, :, :, 0].exp(), total[:, :, -1, 1:].exp()
        between = total[:, :, :, 1:].exp() * behind[:, :-1]  # (B, N, C, C, 1 or H)
        if beta is not None:
            rate = beta[:, here].transpose(1, 2).unsqueeze(3)  # (B, N, C, 1)
            own = _paired(kc * rate, kc, between).tril(-1)
            eye = torch.eye(size, dtype=q.dtype, device=q.device)
            inverse = torch.linalg.solve_triangular(
                own + eye, eye.expand_as(own), upper=False, unitriangular=True
            )
            vc = inverse @ (rate * vc) - (inverse @ (rate * kc * since)) @ state
        pairs = _paired(qc, kc, between)
        read.append(((qc * since) @ state + pairs @ vc).transpose(1, 2))
        state = since[:, :, -1].unsqueeze(3) * state + (kc * until).transpose(2, 3) @ vc
    return torch.cat(read, 1) if read else v, state


def _paired(x: Tensor, k: Tensor, between: Tensor) -> Tensor:
    """x, k (B, N, C, H), between (B, N, C, C, 1 or H) -> (B, N, C, C)."""
    if between.shape[4] == 1:
        return x @ k.transpose(2, 3) * between.squeeze(4)
    return torch.einsum("bnih,bnjh,bnijh->bnij", x, k, between)
