import numpy as np


def norm_forward(x, gain, bias):
    rstd = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    xhat = (x - x.mean(axis=-1, keepdims=True)) * rstd
    return gain * xhat + bias, (xhat, rstd, gain)


def norm_backward(dy, cache):
    xhat, rstd, gain = cache
    dxhat = dy * gain
    along = (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx = rstd * (dxhat - dxhat.mean(axis=-1, keepdims=True) - xhat * along)
    return dx, (dy * xhat).sum(axis=(0, 1)), dy.sum(axis=(0, 1))


def residual_forward(x, sublayer, gain, bias, pre_norm):
    h, sublayer_cache = sublayer(norm_forward(x, gain, bias)[0] if pre_norm else x)
    total = x + h
    y = total if pre_norm else norm_forward(total, gain, bias)[0]
    return y, {"normed": x if pre_norm else total, "gain": gain, "sublayer": sublayer_cache}


def residual_backward(dy, cache, sublayer_backward, pre_norm):
    gain = cache["gain"]
    _, norm_cache = norm_forward(cache["normed"], gain, np.zeros_like(gain))
    if not pre_norm:
        dx, *others = norm_backward(dy, norm_cache)
        dx += sublayer_backward(dx.copy(), cache["sublayer"])
        return dx, *others
    dx, *others = norm_backward(sublayer_backward(dy, cache["sublayer"]), norm_cache)
    dx += dy
    return dx, *others
