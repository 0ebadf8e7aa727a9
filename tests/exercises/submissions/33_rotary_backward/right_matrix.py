"""One matrix (H, H) for each token, and its transpose."""

import numpy as np


def rotary_forward(x, cos, sin, layout="half"):
    points, head = cos.shape[-1], x.shape[-1]
    cos, sin = (np.broadcast_to(t, (*x.shape[:2], points)) for t in (cos, sin))
    turn = np.zeros((*x.shape[:2], head, head))
    turn[..., range(head), range(head)] = 1
    for i in range(points):
        a, b = (i, i + points) if layout == "half" else (2 * i, 2 * i + 1)
        turn[..., a, a] = turn[..., b, b] = cos[..., i]
        turn[..., a, b], turn[..., b, a] = -sin[..., i], sin[..., i]
    return np.einsum("btij,btnj->btni", turn, x), turn


def rotary_backward(dy, cache):
    return np.einsum("btij,btni->btnj", cache, dy)
