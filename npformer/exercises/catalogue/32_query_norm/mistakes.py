"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _mean(a, axis=-1):
    return a.mean(axis=axis, keepdims=True)


def _forward(q, weight, eps=1e-6, *, one=1.0, axes=-1, mean=_mean):
    rstd = 1 / np.sqrt(mean(np.square(q), axes) + eps)
    return q * rstd * (one + weight), (q * rstd, rstd, weight)


def _right(dy, cache):
    qhat, rstd, weight = cache
    g = dy * (1 + weight)
    return rstd * (g - qhat * _mean(g * qhat)), (dy * qhat).sum(axis=(0, 1, 2))


def _norm(forward=_forward, dq=None, dweight=None):
    """The pair with another forward, another dq(dy, qhat, rstd, weight), or another dweight."""

    def backward(dy, cache):
        qhat, rstd, weight = cache
        right = _right(dy, cache)
        return (
            right[0] if dq is None else dq(dy, qhat, rstd, weight),
            right[1] if dweight is None else dweight(dy, qhat, weight).sum(axis=(0, 1, 2)),
        )

    return {"query_norm_forward": forward, "query_norm_backward": backward}


def _plain(q, weight, eps=1e-6):
    return _forward(q, weight, eps, one=0.0)


def _over_heads(q, weight, eps=1e-6):
    return _forward(q, weight, eps, axes=(-2, -1))


def _summed(q, weight, eps=1e-6):
    return _forward(q, weight, eps, mean=lambda a, axis: a.sum(axis=axis, keepdims=True))


def _outside(q, weight, eps=1e-6):
    rstd = 1 / (np.sqrt(_mean(np.square(q))) + eps)
    return q * rstd * (1 + weight), (q * rstd, rstd, weight)


def _added(q, weight, eps=1e-6):
    y, cache = _forward(q, weight, eps, one=0.0)
    return y + 1, cache


MISTAKES = [
    ("the 1 is missing in the forward: y is qhat * weight", _norm(_plain)),
    ("the 1 is missing in the backward: g is dy * weight",
     _norm(dq=lambda dy, qhat, rstd, w: rstd * (dy * w - qhat * _mean(dy * w * qhat)))),
    ("the weight is left out of dq",
     _norm(dq=lambda dy, qhat, rstd, w: rstd * (dy - qhat * _mean(dy * qhat)))),
    ("1 + weight is applied outside the mean: right at weights of 0",
     _norm(dq=lambda dy, qhat, rstd, w: (1 + w) * rstd * (dy - qhat * _mean(dy * qhat)))),
    ("1 + weight is applied twice in the term through rstd",
     _norm(dq=lambda dy, qhat, rstd, w: rstd
           * (dy * (1 + w) - (1 + w) * qhat * _mean(dy * (1 + w) * qhat)))),
    ("the path through rstd is left out of dq",
     _norm(dq=lambda dy, qhat, rstd, w: rstd * dy * (1 + w))),
    ("the mean in dq runs over the heads as well",
     _norm(dq=lambda dy, qhat, rstd, w: rstd
           * (dy * (1 + w) - qhat * _mean(dy * (1 + w) * qhat, (-2, -1))))),
    ("all heads share one root mean square: the mean in the forward runs over N as well",
     _norm(_over_heads)),
    ("dq lacks the factor rstd",
     _norm(dq=lambda dy, qhat, rstd, w: dy * (1 + w) - qhat * _mean(dy * (1 + w) * qhat))),
    ("the squares are summed where their mean belongs", _norm(_summed)),
    ("eps is added to the root, not under it", _norm(_outside)),
    ("the 1 is added to the product: qhat * weight + 1", _norm(_added)),
    ("dweight has the factor 1 + weight; the slope of 1 + weight is 1",
     _norm(dweight=lambda dy, qhat, w: dy * qhat * (1 + w))),
    ("dweight is 1 too large: the 1 of the scale is not a gradient",
     _norm(dweight=lambda dy, qhat, w: dy * qhat + 1 / (dy.size / dy.shape[-1]))),
    ("dweight lacks the factor qhat", _norm(dweight=lambda dy, qhat, w: dy)),
    ("dweight is averaged over the heads",
     _norm(dweight=lambda dy, qhat, w: dy * qhat / dy.shape[2])),
]  # fmt: skip
