"""The turn as a matrix for each position, and the norm's Jacobian."""

import numpy as np


def matrices(length, h):
    half = h // 2
    angles = np.arange(length)[:, None] / 10.0 ** (np.arange(half) / half)
    turn = np.zeros((length, h, h))
    for i in range(half):
        cos, sin = np.cos(angles[:, i]), np.sin(angles[:, i])
        turn[:, i, i] = turn[:, i + half, i + half] = cos
        turn[:, i, i + half], turn[:, i + half, i] = -sin, sin
    return turn


def query_forward(q, weight, eps=1e-6):
    rstd = 1 / np.sqrt(np.square(q).mean(axis=-1, keepdims=True) + eps)
    z = q * rstd * weight
    y = np.einsum("tij,btnj->btni", matrices(*q.shape[1::2]), z)
    return y, (q * rstd, rstd, weight)


def query_backward(dy, cache):
    qhat, rstd, weight = cache
    h = dy.shape[-1]
    dz = np.einsum("tij,btni->btnj", matrices(dy.shape[1], h), dy)
    outer = qhat[..., :, None] * qhat[..., None, :]
    jacobian = rstd[..., None] * (np.eye(h) - outer / h)
    return np.einsum("btnij,btni->btnj", jacobian, dz * weight), (dz * qhat).sum((0, 1, 2))
