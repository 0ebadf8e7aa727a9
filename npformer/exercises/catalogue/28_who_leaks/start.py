"""Exercise 28: who leaks?

    x (B, T, D) -> y (B, T, D)    y[:, t] may depend on x[:, : t + 1] alone

Five layers. Some let an output see later positions. Name them in who_leaks, repair them, then:

    npformer exercise check who_leaks
    npformer exercise hint who_leaks
"""

import numpy as np

EPS = 1e-3
ROOM = 2


def who_leaks():
    """The names of the layers that leak as they are given, such as ["normed"]."""
    raise NotImplementedError("return the names of the layers that leak")


def attention(x):
    """Each position attends to itself and to those before it."""
    scores = x @ x.swapaxes(1, 2) / np.sqrt(x.shape[-1])  # (B, T, T)
    seen = np.tril(np.ones(scores.shape[1:], bool), 1)
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ x


def kernel_attention(x):
    """Attention whose weights are phi(x_t) . phi(x_s), as sums that run along the sequence.

    phi(x) = exp(x - m) + EPS, where m is a largest entry of x, so that exp cannot overflow.
    """
    phi = np.exp(x - x.max(axis=(1, 2), keepdims=True)) + EPS  # (B, T, D)
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
        liking = np.where(chosen, np.abs(x[..., 0]), -1.0)
        place = np.argsort(np.argsort(-liking, axis=1), axis=1)
        inside = chosen & (place < ROOM)
        y = y + factor * x * inside[..., None]
    return y


def running_mean(x):
    """The mean of the positions so far."""
    return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]


def normed(x):
    """Each position, centred and scaled."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
