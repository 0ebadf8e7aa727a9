"""Exercise 27: attention over tiles of keys."""

import numpy as np


def empty(t, g):
    """The state before the first tile: m (T,), z (T,), u (T, G)."""
    return np.full(t, -np.inf), np.zeros(t), np.zeros((t, g))


def absorb(state, q, k, v, scale):
    """State and a tile, q (T, H), k (K, H), v (K, G) -> the state with the tile in it."""
    m, z, u = state
    scores = scale * (q @ k.T)  # (T, K)
    m_new = np.maximum(m, scores.max(axis=1))  # (T,)
    # The sums so far were measured from m. exp(a - m_new) = exp(a - m) exp(m - m_new), and the last
    # factor is the same for all keys of a row. At the first tile it is exp(-inf) = 0.
    factor = np.exp(m - m_new)  # (T,)
    e = np.exp(scores - m_new[:, None])  # (T, K), at most 1
    return m_new, factor * z + e.sum(axis=1), factor[:, None] * u + e @ v


def finish(state):
    """State after the last tile -> y (T, G), log_z (T,)."""
    m, z, u = state
    # z was measured from m: the whole sum is z exp(m), which itself might overflow.
    return u / z[:, None], m + np.log(z)


def tile_backward(dy, q, k, v, y, log_z, scale):
    """dy, y (T, G), log_z (T,), a tile k (K, H), v (K, G) -> share of dq (T, H), dk, dv."""
    scores = scale * (q @ k.T)  # (T, K)
    p = np.exp(scores - log_z[:, None])  # (T, K): a piece of the whole row's softmax
    # The softmax's sum over all keys, sum_r p_tr dp_tr, is dy_t . y_t: no other tile is needed.
    mean = (dy * y).sum(axis=1, keepdims=True)  # (T, 1)
    dscores = p * (dy @ v.T - mean)  # (T, K)
    return scale * dscores @ k, scale * dscores.T @ q, p.T @ dy


def tiled_attention_forward(q, k, v, tile):
    """q (T, H), k (S, H), v (S, G) -> y (T, G), cache; ``tile`` keys at a time."""
    scale = 1 / np.sqrt(q.shape[1])
    state = empty(len(q), v.shape[1])
    for first in range(0, len(k), tile):
        state = absorb(state, q, k[first : first + tile], v[first : first + tile], scale)
    y, log_z = finish(state)
    cache = (q, k, v, tile, y, log_z, scale)
    return y, cache


def tiled_attention_backward(dy, cache):
    """dy (T, G) -> dq (T, H), dk (S, H), dv (S, G)."""
    q, k, v, tile, y, log_z, scale = cache
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for first in range(0, len(k), tile):
        keys = slice(first, first + tile)
        share, dk[keys], dv[keys] = tile_backward(dy, q, k[keys], v[keys], y, log_z, scale)
        dq += share
    return dq, dk, dv
