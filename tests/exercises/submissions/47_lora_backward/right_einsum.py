import numpy as np


def lora_forward(x, down, up, *, weight, bias=None, scale=1.0):
    h = x @ down.T
    y = x @ weight.T + scale * (h @ up.T)
    return y if bias is None else y + bias, (x, h, down, up, weight, scale)


def lora_backward(dy, cache):
    x, h, down, up, weight, scale = cache
    dx = dy @ weight + scale * np.einsum("...o,oq,qi->...i", dy, up, down)
    dup = scale * np.einsum("...o,...q->...oq", dy, h).reshape(-1, *up.shape).sum(axis=0)
    ddown = scale * np.einsum("...o,oq,...i->...qi", dy, up, x).reshape(-1, *down.shape).sum(axis=0)
    return dx, ddown, dup
