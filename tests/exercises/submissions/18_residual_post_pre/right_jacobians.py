import numpy as np


def norm(x, gain, bias):
    xhat = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    return gain * xhat + bias, xhat


def jacobian_of_norm(x, gain):
    """x (D,) -> (D, D): of norm's output by its input."""
    d = len(x)
    rstd = 1 / np.sqrt(x.var() + 1e-3)
    xhat = (x - x.mean()) * rstd
    return rstd * gain[:, None] * (np.eye(d) - 1 / d - np.outer(xhat, xhat) / d)


def residual_forward(x, sublayer, gain, bias, pre_norm):
    if pre_norm:
        z, xhat = norm(x, gain, bias)
        h, inner = sublayer(z)
        return x + h, (x, xhat, gain, inner)
    h, inner = sublayer(x)
    y, xhat = norm(x + h, gain, bias)
    return y, (x + h, xhat, gain, inner)


def residual_backward(dy, cache, sublayer_backward, pre_norm):
    normed, xhat, gain, inner = cache
    dz = sublayer_backward(dy, inner) if pre_norm else dy
    dgain, dbias = (dz * xhat).sum(axis=(0, 1)), dz.sum(axis=(0, 1))
    through = np.zeros(dy.shape)
    for row in np.ndindex(dy.shape[:2]):
        through[row] = dz[row] @ jacobian_of_norm(normed[row], gain)
    if pre_norm:
        return dy + through, dgain, dbias
    return through + sublayer_backward(through, inner), dgain, dbias
