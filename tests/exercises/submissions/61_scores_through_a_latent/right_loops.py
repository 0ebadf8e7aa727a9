import numpy as np


def scores_forward(q, latent, shared, k_up):
    """q (B, T, N, 6), latent (B, T, L), shared (B, T, 2), k_up (N, 4, L) -> z (B, N, T, T)."""
    z = np.zeros((len(q), q.shape[2], q.shape[1], q.shape[1]))
    for b in range(len(q)):
        for n in range(q.shape[2]):
            z[b, n] = q[b, :, n, :4] @ k_up[n] @ latent[b].T + q[b, :, n, 4:] @ shared[b].T
    return z, (q, latent, shared, k_up)


def scores_backward(dz, cache):
    q, latent, shared, k_up = cache
    dq, dlatent, dshared, dk_up = (np.zeros(array.shape) for array in cache)
    for b in range(len(q)):
        for n in range(q.shape[2]):
            own, turning, d = q[b, :, n, :4], q[b, :, n, 4:], dz[b, n]
            da = d @ latent[b]
            dq[b, :, n] = np.concatenate([da @ k_up[n].T, d @ shared[b]], axis=1)
            dlatent[b] += d.T @ (own @ k_up[n])
            dshared[b] += d.T @ turning
            dk_up[n] += own.T @ da
    return dq, dlatent, dshared, dk_up
