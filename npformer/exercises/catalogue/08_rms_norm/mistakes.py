"""Wrong ways to write this exercise, for the diagnosis. All bring a forward of their own."""

import numpy as np


def _normed(x, eps):
    rstd = 1 / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps)
    return x * rstd, rstd


def _forward(x, weight, eps=1e-5):
    xhat, rstd = _normed(x, eps)
    return xhat * weight, (xhat, rstd, weight)


def _mean(a):
    return a.mean(axis=-1, keepdims=True)


def _dx(formula):
    """A backward whose dx alone is wrong: formula(dy, g, xhat, rstd, weight)."""

    def backward(dy, cache):
        xhat, rstd, weight = cache
        dx = formula(dy, dy * weight, xhat, rstd, weight)
        return dx, (dy * xhat).sum(axis=(0, 1))

    return {"rms_norm_forward": _forward, "rms_norm_backward": backward}


def _right_dx(g, xhat, rstd):
    return rstd * (g - xhat * _mean(g * xhat))


def _dweight(formula):
    """A backward whose dweight alone is wrong: formula(dy, xhat, weight)."""

    def backward(dy, cache):
        xhat, rstd, weight = cache
        return _right_dx(dy * weight, xhat, rstd), formula(dy, xhat, weight)

    return {"rms_norm_forward": _forward, "rms_norm_backward": backward}


def _layer_norm(x, weight, eps=1e-5):
    return _forward(x - _mean(x), weight, eps)


def _layer_norm_backward(dy, cache):
    xhat, rstd, weight = cache
    g = dy * weight
    dx = rstd * (g - _mean(g) - xhat * _mean(g * xhat))
    return dx, (dy * xhat).sum(axis=(0, 1))


def _sum_of_squares(x, weight, eps=1e-5):
    rstd = 1 / np.sqrt(np.square(x).sum(axis=-1, keepdims=True) + eps)
    return x * rstd * weight, (x * rstd, rstd, weight)


def _sum_backward(dy, cache):
    xhat, rstd, weight = cache
    g = dy * weight
    dx = rstd * (g - xhat * (g * xhat).sum(axis=-1, keepdims=True))
    return dx, (dy * xhat).sum(axis=(0, 1))


def _eps_outside(x, weight, eps=1e-5):
    rms = np.sqrt(np.square(x).mean(axis=-1, keepdims=True))
    return x / (rms + eps) * weight, (x / (rms + eps), 1 / (rms + eps), weight)


def _right_backward(dy, cache):
    xhat, rstd, weight = cache
    return _right_dx(dy * weight, xhat, rstd), (dy * xhat).sum(axis=(0, 1))


def _eps_ignored(x, weight, eps=1e-5):
    return _forward(x, weight)


MISTAKES = [
    ("the weight is applied outside the mean term: right at weight = 1",
     _dx(lambda dy, g, xhat, rstd, weight: weight * _right_dx(dy, xhat, rstd))),
    ("the weight is left out of dx", _dx(lambda dy, g, xhat, rstd, w: _right_dx(dy, xhat, rstd))),
    ("the weight is in the first term of dx, and not inside the mean",
     _dx(lambda dy, g, xhat, rstd, w: rstd * (g - xhat * _mean(dy * xhat)))),
    ("the path through rstd is left out of dx, as if rstd were a constant",
     _dx(lambda dy, g, xhat, rstd, w: rstd * g)),
    ("the mean of g is subtracted, which belongs to layer norm: RMS norm has no mean",
     _dx(lambda dy, g, xhat, rstd, w: _right_dx(g, xhat, rstd) - rstd * _mean(g))),
    ("a sum stands where the mean over D belongs in dx",
     _dx(lambda dy, g, xhat, rstd, w: rstd * (g - xhat * (g * xhat).sum(-1, keepdims=True)))),
    ("the term through rstd is added where it should be subtracted",
     _dx(lambda dy, g, xhat, rstd, w: rstd * (g + xhat * _mean(g * xhat)))),
    ("the term through rstd lacks its outer factor xhat",
     _dx(lambda dy, g, xhat, rstd, w: rstd * (g - _mean(g * xhat)))),
    ("dx lacks the factor rstd", _dx(lambda dy, g, xhat, rstd, w: g - xhat * _mean(g * xhat))),
    ("dweight is summed with dy * weight, not with dy",
     _dweight(lambda dy, xhat, weight: (dy * weight * xhat).sum(axis=(0, 1)))),
    ("dweight lacks the factor xhat", _dweight(lambda dy, xhat, weight: dy.sum(axis=(0, 1)))),
    ("dweight is averaged over the rows, where it should be summed",
     _dweight(lambda dy, xhat, weight: (dy * xhat).mean(axis=(0, 1)))),
    ("the mean of the row is subtracted in the forward: this is layer norm",
     {"rms_norm_forward": _layer_norm, "rms_norm_backward": _layer_norm_backward}),
    ("the mean of the row is subtracted in the forward, and not in the backward",
     {"rms_norm_forward": _layer_norm, "rms_norm_backward": _right_backward}),
    ("the squares are summed where their mean belongs",
     {"rms_norm_forward": _sum_of_squares, "rms_norm_backward": _sum_backward}),
    ("the squares are summed in the forward, and averaged in the backward",
     {"rms_norm_forward": _sum_of_squares, "rms_norm_backward": _right_backward}),
    ("eps is added to the root, not under it",
     {"rms_norm_forward": _eps_outside, "rms_norm_backward": _right_backward}),
    ("the argument eps is ignored: 1e-5 stands in its place",
     {"rms_norm_forward": _eps_ignored, "rms_norm_backward": _right_backward}),
]  # fmt: skip
