import numpy as np

EPS = 1e-3
ROOM = 2


def who_leaks():
    return "attention", "kernel_attention", "experts"


def attention(x):
    scores = x @ x.transpose(0, 2, 1) / x.shape[-1] ** 0.5
    later = np.triu(np.full(scores.shape[1:], -np.inf), 1)
    weights = np.exp(scores + later)
    return (weights @ x) / weights.sum(axis=-1, keepdims=True)


def kernel_attention(x):
    phi = np.exp(x - np.max(x, -1)[..., None]) + EPS
    weights = np.tril(phi @ phi.swapaxes(1, 2))
    return weights @ x / weights.sum(-1, keepdims=True)


def experts(x):
    first = x[..., 0] < 0
    here = np.where(first, np.cumsum(first, 1), np.cumsum(~first, 1))
    factor = np.where(first, 3.0, 2.0) * (here <= ROOM)
    return factor[..., None] * x


def running_mean(x):
    """The mean of the positions so far."""
    return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]


def normed(x):
    """Each position, centred and scaled."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
