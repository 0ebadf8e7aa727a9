"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def _turned(x, direction=1, interleaved=False):
    half = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None, None] / 10.0 ** (np.arange(half) / half)
    cos, sin = np.cos(angles), direction * np.sin(angles)
    first, second = (
        (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(half), slice(half, None))
    )
    y, a, b = np.empty_like(x), x[..., first], x[..., second]
    y[..., first], y[..., second] = a * cos - b * sin, b * cos + a * sin
    return y


def _forward(q, weight, eps=1e-6):
    rstd = 1 / np.sqrt(np.square(q).mean(axis=-1, keepdims=True) + eps)
    qhat = q * rstd
    return _turned(qhat * weight), (qhat, rstd, weight)


def _normed_back(g, qhat, rstd, axes=-1):
    return rstd * (g - qhat * (g * qhat).mean(axis=axes, keepdims=True))


def _wrong(back=lambda dy: _turned(dy, -1), dq=None, dweight=None):
    """The pair with another turn back, dq(dz, qhat, rstd, weight) or dweight(dy, dz, qhat)."""

    def backward(dy, cache):
        qhat, rstd, weight = cache
        dz = back(dy)
        right = _normed_back(dz * weight, qhat, rstd)
        summed = dz * qhat if dweight is None else dweight(dy, dz, qhat)
        return (
            right if dq is None else dq(dz, qhat, rstd, weight),
            summed.sum(axis=(0, 1, 2)),
        )

    return {"query_forward": _forward, "query_backward": backward}


def _order(dy, cache):
    qhat, rstd, weight = cache
    dq = _turned(_normed_back(dy * weight, qhat, rstd), -1)
    return dq, (dy * qhat).sum(axis=(0, 1, 2))


MISTAKES = [
    ("dy is turned on, not back", _wrong(back=_turned)),
    ("dy is not turned back", _wrong(back=lambda dy: dy)),
    ("the norm is undone first and the turn after it; the last step of the forward comes first",
     {"query_forward": _forward, "query_backward": _order}),
    ("dweight is made of dy as it came, not of what was turned back",
     _wrong(dweight=lambda dy, dz, qhat: dy * qhat)),
    ("the other pairs of columns are turned back: 0 with 1, 2 with 3",
     _wrong(back=lambda dy: _turned(dy, -1, interleaved=True))),
    ("the weight is left out of dq",
     _wrong(dq=lambda dz, qhat, rstd, w: _normed_back(dz, qhat, rstd))),
    ("the weight is applied outside the mean: right at weights of 1",
     _wrong(dq=lambda dz, qhat, rstd, w: w * _normed_back(dz, qhat, rstd))),
    ("the path through rstd is left out of dq",
     _wrong(dq=lambda dz, qhat, rstd, w: rstd * dz * w)),
    ("dq lacks the factor rstd",
     _wrong(dq=lambda dz, qhat, rstd, w: _normed_back(dz * w, qhat, 1.0))),
    ("the mean in dq runs over the heads as well",
     _wrong(dq=lambda dz, qhat, rstd, w: _normed_back(dz * w, qhat, rstd, (-2, -1)))),
    ("dweight is averaged over the heads",
     _wrong(dweight=lambda dy, dz, qhat: dz * qhat / dy.shape[2])),
    ("dweight lacks the factor qhat", _wrong(dweight=lambda dy, dz, qhat: dz)),
]  # fmt: skip
