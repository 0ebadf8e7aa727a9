import numpy as np

EPS = 1e-3
ROOM = 2


def who_leaks():
    return {"experts", "attention", "kernel_attention"}


def attention(x):
    y = np.zeros_like(x)
    for t in range(x.shape[1]):
        before = x[:, : t + 1]
        scores = np.einsum("bd,bsd->bs", x[:, t], before) / np.sqrt(x.shape[-1])
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        y[:, t] = np.einsum("bs,bsd->bd", weights / weights.sum(axis=1, keepdims=True), before)
    return y


def kernel_attention(x):
    y = np.zeros_like(x)
    phi = np.exp(x - x.max(axis=2, keepdims=True)) + EPS
    for t in range(x.shape[1]):
        weights = np.einsum("bd,bsd->bs", phi[:, t], phi[:, : t + 1])
        y[:, t] = np.einsum("bs,bsd->bd", weights, x[:, : t + 1]) / weights.sum(1)[:, None]
    return y


def experts(x):
    y = np.zeros_like(x)
    for b in range(x.shape[0]):
        taken = [0, 0]
        for t in range(x.shape[1]):
            which = int(x[b, t, 0] < 0)
            taken[which] += 1
            if taken[which] <= ROOM:
                y[b, t] = (2 + which) * x[b, t]
    return y


def running_mean(x):
    """The mean of the positions so far."""
    return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1)[:, None]


def normed(x):
    """Each position, centred and scaled."""
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS)
