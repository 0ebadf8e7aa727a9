# diagnosis: its reciprocal
import numpy as np


def empty(t, g):
    return np.full(t, -np.inf), np.zeros(t), np.zeros((t, g))


def absorb(state, q, k, v, scale):
    m, z, u = state
    scores = scale * (q @ k.T)
    m_new = np.maximum(m, scores.max(axis=1))
    factor = np.where(np.isfinite(m), np.exp(m_new - m), 0)
    e = np.exp(scores - m_new[:, None])
    return m_new, factor * z + e.sum(axis=1), factor[:, None] * u + e @ v


def finish(state):
    m, z, u = state
    return u / z[:, None], m + np.log(z)


def tile_backward(dy, q, k, v, y, log_z, scale):
    scores = scale * (q @ k.T)
    p = np.exp(scores - log_z[:, None])
    mean = (dy * y).sum(axis=1, keepdims=True)
    dscores = p * (dy @ v.T - mean)
    return scale * dscores @ k, scale * dscores.T @ q, p.T @ dy


def tiled_attention_forward(q, k, v, tile):
    scale = 1 / np.sqrt(q.shape[1])
    state = empty(len(q), v.shape[1])
    for first in range(0, len(k), tile):
        state = absorb(state, q, k[first : first + tile], v[first : first + tile], scale)
    y, log_z = finish(state)
    cache = (q, k, v, tile, y, log_z, scale)
    return y, cache


def tiled_attention_backward(dy, cache):
    q, k, v, tile, y, log_z, scale = cache
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for first in range(0, len(k), tile):
        keys = slice(first, first + tile)
        share, dk[keys], dv[keys] = tile_backward(dy, q, k[keys], v[keys], y, log_z, scale)
        dq += share
    return dq, dk, dv
