"""Exercise 61: scores through a latent.

    q (B, T, N, 6)    latent (B, T, L)    shared (B, T, 2)    k_up (N, 4, L)    z, dz (B, N, T, T)

The forward is given. Write scores_backward, then:

    npformer exercise check scores_through_a_latent
    npformer exercise hint scores_through_a_latent
"""

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
    raise NotImplementedError("return dq, dlatent, dshared, dk_up")
