"""Exercise 27: attention over tiles of keys.

    q (T, H)    k (S, H)    v (S, G)    y (T, G)    a tile has K of the S keys

The loops over the tiles are given. Write absorb, finish and tile_backward, then:

    npformer exercise check tiled_softmax
    npformer exercise hint tiled_softmax
"""

import numpy as np


def empty(t, g):
    """The state before the first tile: m (T,), z (T,), u (T, G)."""
    return np.full(t, -np.inf), np.zeros(t), np.zeros((t, g))


def absorb(state, q, k, v, scale):
    """State and a tile, q (T, H), k (K, H), v (K, G) -> the state with the tile in it."""
    m, z, u = state
    raise NotImplementedError("return m, z, u")


def finish(state):
    """State after the last tile -> y (T, G), log_z (T,)."""
    m, z, u = state
    raise NotImplementedError("return y, log_z")


def tile_backward(dy, q, k, v, y, log_z, scale):
    """dy, y (T, G), log_z (T,), a tile k (K, H), v (K, G) -> share of dq (T, H), dk, dv."""
    raise NotImplementedError("return dq, dk, dv")


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
