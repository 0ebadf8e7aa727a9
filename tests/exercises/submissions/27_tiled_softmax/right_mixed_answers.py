import numpy as np


def empty(t, g):
    return np.full(t, -np.inf), np.zeros((t, g))


def absorb(state, q, k, v, scale):
    # The state is the answer so far and the logarithm of its sum: two answers are mixed by weight.
    log_z, y = state
    scores = scale * np.einsum("th,sh->ts", q, k)
    top = scores.max(axis=1)
    own = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    both = np.logaddexp(log_z, own)
    answer = np.einsum("ts,sg->tg", np.exp(scores - own[:, None]), v)
    return both, np.exp(log_z - both)[:, None] * y + np.exp(own - both)[:, None] * answer


def finish(state):
    log_z, y = state
    return y, log_z


def tile_backward(dy, q, k, v, y, log_z, scale):
    p = np.exp(scale * np.einsum("th,sh->ts", q, k) - log_z[:, None])
    # da_ts = p_ts dy_t . (v_s - y_t)
    da = p * np.einsum("tg,tsg->ts", dy, v[None] - y[:, None])
    dq = scale * np.einsum("ts,sh->th", da, k)
    return dq, scale * np.einsum("ts,th->sh", da, q), np.einsum("ts,tg->sg", p, dy)


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
