"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _forward(x, weight, bias, stride=1):
    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    starts = np.arange(0, x.shape[1], stride)
    y = bias + sum(padded[:, starts + k] @ weight[:, :, k].T for k in range(3))
    return y, (padded, weight, starts)


def _added(dy, cache, order=(0, 1, 2), overwrite=False, step=None):
    """The padded gradient; the weights in this order, or windows this far apart."""
    padded, weight, starts = cache
    starts = starts if step is None else step * np.arange(len(starts))
    dpadded = np.zeros(padded.shape)
    for k in range(3):
        part = dy @ weight[:, :, order[k]]
        dpadded[:, starts + k] = part if overwrite else dpadded[:, starts + k] + part
    return dpadded


def _right(dy, cache):
    padded, weight, starts = cache
    parts = [np.einsum("blo,bli->oi", dy, padded[:, starts + k]) for k in range(3)]
    return {
        "dx": _added(dy, cache)[:, 1:-1],
        "dweight": np.stack(parts, axis=2),
        "dbias": dy.sum(axis=(0, 1)),
    }


def _wrong(**changes):
    """The pair in which these gradients are what change(dy, cache, right) makes."""

    def backward(dy, cache):
        right = _right(dy, cache)
        found = {name: change(dy, cache, right) for name, change in changes.items()}
        return tuple((right | found).values())

    return {"strided_conv_forward": _forward, "strided_conv_backward": backward}


def _middle(dy, cache, right):
    dx = np.zeros_like(right["dx"])
    dx[:, cache[2]] = dy @ cache[1][:, :, 1]
    return dx


def _mean(name):
    return lambda dy, cache, right: right[name] / max(dy.shape[0] * dy.shape[1], 1)


def _first_sentence(dy, cache, right):
    return _right(dy[:1], (cache[0][:1], *cache[1:]))["dweight"]


MISTAKES = [
    ("of the windows that hold a frame, one alone counts; the gradients of all are added",
     _wrong(dx=lambda dy, cache, right: _added(dy, cache, overwrite=True)[:, 1:-1])),
    ("dx meets the weights in the reverse order",
     _wrong(dx=lambda dy, cache, right: _added(dy, cache, order=(2, 1, 0))[:, 1:-1])),
    ("the windows are one frame apart in dx, whatever the stride",
     _wrong(dx=lambda dy, cache, right: _added(dy, cache, step=1)[:, 1:-1])),
    ("dx begins with the gradient of the zero before the first frame",
     _wrong(dx=lambda dy, cache, right: _added(dy, cache)[:, :-2])),
    ("dx ends with the gradient of the zero behind the last frame",
     _wrong(dx=lambda dy, cache, right: _added(dy, cache)[:, 2:])),
    ("each window sends a gradient back to its middle frame alone", _wrong(dx=_middle)),
    ("dweight is in the reverse order",
     _wrong(dweight=lambda dy, cache, right: right["dweight"][:, :, ::-1])),
    ("dweight is averaged over the windows", _wrong(dweight=_mean("dweight"))),
    ("dweight is that of the first sentence alone",
     _wrong(dweight=_first_sentence)),
    ("dbias is averaged over the windows", _wrong(dbias=_mean("dbias"))),
]  # fmt: skip
