import numpy as np


def jacobian_of_norm(x, gain):
    """x (D,) -> (D, D): of norm's output by its input."""
    d = len(x)
    rstd = 1 / np.sqrt(x.var() + 1e-3)
    xhat = (x - x.mean()) * rstd
    return gain[:, None] * rstd * (np.eye(d) - 1 / d - np.outer(xhat, xhat) / d), xhat


def jacobian_of_sublayer(x, weight):
    h = np.tanh(weight @ x)
    return (1 - h**2)[:, None] * weight, h


def post_norm_forward(x, weight, gain, bias):
    total = x + np.tanh(x @ weight.T)
    xhat = total - total.mean(axis=-1, keepdims=True)
    xhat = xhat / np.sqrt(total.var(axis=-1, keepdims=True) + 1e-3)
    return gain * xhat + bias, (x, weight, gain, bias)


def pre_norm_forward(x, weight, gain, bias):
    xhat = x - x.mean(axis=-1, keepdims=True)
    xhat = xhat / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    return x + np.tanh((gain * xhat + bias) @ weight.T), (x, weight, gain, bias)


def post_norm_backward(dy, cache):
    x, weight, gain, bias = cache
    dx, dweight, dgain = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(gain.shape)
    for row in np.ndindex(x.shape[:2]):
        sublayer, h = jacobian_of_sublayer(x[row], weight)
        norm, xhat = jacobian_of_norm(x[row] + h, gain)
        dx[row] = dy[row] @ norm @ (np.eye(len(gain)) + sublayer)
        dweight += np.outer((dy[row] @ norm) * (1 - h**2), x[row])
        dgain += dy[row] * xhat
    return dx, dweight, dgain, dy.sum(axis=(0, 1))


def pre_norm_backward(dy, cache):
    x, weight, gain, bias = cache
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    dgain, dbias = np.zeros(gain.shape), np.zeros(gain.shape)
    for row in np.ndindex(x.shape[:2]):
        norm, xhat = jacobian_of_norm(x[row], gain)
        z = gain * xhat + bias
        sublayer, h = jacobian_of_sublayer(z, weight)
        dx[row] = dy[row] @ (np.eye(len(gain)) + sublayer @ norm)
        dweight += np.outer(dy[row] * (1 - h**2), z)
        dgain += dy[row] @ sublayer * xhat
        dbias += dy[row] @ sublayer
    return dx, dweight, dgain, dbias
