import numpy as np


def scores_forward(q, latent, shared, k_up):
    """q (B, T, N, 6), latent (B, T, L), shared (B, T, 2), k_up (N, 4, L) -> z (B, N, T, T)."""
    own = np.einsum("bsl,nhl->bsnh", latent, k_up)
    heads = np.broadcast_to(shared[:, :, None], (*own.shape[:3], 2))
    k = np.concatenate([own, heads], axis=3)
    return np.einsum("btnh,bsnh->bnts", q, k), (q, latent, k, k_up)


def scores_backward(dz, cache):
    q, latent, k, k_up = cache
    dq = np.einsum("bnts,bsnh->btnh", dz, k)
    dk = np.einsum("bnts,btnh->bsnh", dz, q)
    down, dheads = np.split(dk, [4], axis=3)
    dlatent = np.einsum("bsnh,nhl->bsl", down, k_up)
    return dq, dlatent, dheads.sum(axis=2), np.einsum("bsnh,bsl->nhl", down, latent)
