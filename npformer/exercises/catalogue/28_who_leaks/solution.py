"""Exercise 28: who leaks?"""

import numpy as np

EPS = 1e-3
ROOM = 2


def who_leaks():
    """The names of the layers that leak as they are given, such as ["normed"]."""
    return ["attention", "kernel_attention", "experts"]


def attention(x):
    """Each position attends to itself and to those before it."""
    scores = x @ x.swapaxes(1, 2) / np.sqrt(x.shape[-1])  # (B, T, T)
    # The diagonal is the position itself; one above it is the next.
    seen = np.tril(np.ones(scores.shape[1:], bool))
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ x


def kernel_attention(x):
    """Attention whose weights are phi(x_t) . phi(x_s), as sums that run along the sequence.

    phi(x) = exp(x - m) + EPS, where m is a largest entry of x, so that exp cannot overflow.
    """
    # Of one position: a stabiliser over the sequence would cancel but for EPS, which it does not
    # reach, and a large later entry would leave nothing but EPS.
    phi = np.exp(x - x.max(axis=-1, keepdims=True)) + EPS  # (B, T, D)
    total = np.cumsum(phi[..., None] * x[:, :, None, :], axis=1)  # (B, T, D, D)
    weight = np.cumsum(phi, axis=1)  # (B, T, D)
    above = np.einsum("btd,btde->bte", phi, total)
    return above / np.einsum("btd,btd->bt", phi, weight)[..., None]


def experts(x):
    """Two experts, each with room for ROOM positions of a sequence; the rest get zeros.

    The sign of the first feature chooses the expert, which multiplies by 2 or by 3.
    """
    y = np.zeros_like(x)
    for chosen, factor in ((x[..., 0] >= 0, 2.0), (x[..., 0] < 0, 3.0)):  # chosen (B, T)
        # First come, first served: a later position, however well it matches, takes no place.
        inside = chosen & (np.cumsum(chosen, axis=1) <= ROOM)
        y = y + factor * x * inside[..., None]
    return y


def running_mean(x):
    """The mean of the positions so far."""
    return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]


def normed(x):
    """Each position, centred and scaled."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
