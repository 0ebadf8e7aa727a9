"""Exercise 61: scores through a latent."""

import numpy as np


def scores_forward(q, latent, shared, k_up):
    """q (B, T, N, 6), latent (B, T, L), shared (B, T, 2), k_up (N, 4, L) -> z (B, N, T, T)."""
    own, turning = q[..., :4], q[..., 4:]
    a = np.einsum("btnh,nhl->btnl", own, k_up)  # the matrix is absorbed into the query
    z = np.einsum("btnl,bsl->bnts", a, latent) + np.einsum("btnr,bsr->bnts", turning, shared)
    return z, (q, latent, shared, k_up, a)


def scores_backward(dz, cache):
    """dz (B, N, T, T) -> dq (B, T, N, 6), dlatent (B, T, L), dshared (B, T, 2), dk_up (N, 4, L)."""
    q, latent, shared, k_up, a = cache
    own, turning = q[..., :4], q[..., 4:]
    da = np.einsum("bnts,bsl->btnl", dz, latent)
    dq = np.concatenate(
        [np.einsum("btnl,nhl->btnh", da, k_up), np.einsum("bnts,bsr->btnr", dz, shared)], axis=-1
    )
    # Both are read by every query of every head: sums over t and n.
    dlatent = np.einsum("bnts,btnl->bsl", dz, a)
    dshared = np.einsum("bnts,btnr->bsr", dz, turning)
    dk_up = np.einsum("btnh,btnl->nhl", own, da)
    return dq, dlatent, dshared, dk_up
