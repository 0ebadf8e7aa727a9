import math

import numpy as np


def empty(t, g):
    return [{"m": -math.inf, "z": 0.0, "u": np.zeros(g)} for _ in range(t)]


def absorb(state, q, k, v, scale):
    for t, row in enumerate(state):
        for s in range(len(k)):  # a tile of one key after the other
            a = scale * float(q[t] @ k[s])
            top = max(row["m"], a)
            old, new = math.exp(row["m"] - top), math.exp(a - top)
            row["z"] = old * row["z"] + new
            row["u"] = old * row["u"] + new * v[s]
            row["m"] = top
    return state


def finish(state):
    y = np.array([row["u"] / row["z"] for row in state])
    return y, np.array([row["m"] + math.log(row["z"]) for row in state])


def tile_backward(dy, q, k, v, y, log_z, scale):
    dq, dk, dv = np.zeros(q.shape), np.zeros(k.shape), np.zeros(v.shape)
    for t in range(len(q)):
        for s in range(len(k)):
            p = math.exp(scale * float(q[t] @ k[s]) - log_z[t])
            da = p * float(dy[t] @ (v[s] - y[t]))
            dq[t] += scale * da * k[s]
            dk[s] += scale * da * q[t]
            dv[s] += p * dy[t]
    return [dq, dk, dv]


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
