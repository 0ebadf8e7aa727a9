"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np


def _from(dprobs, dscores, cache, dy, dk_scale=True, dq_scale=True):
    q, k, _, probs, scale = cache
    dq = np.einsum("bnts,bsnh->btnh", dscores, k) * (scale if dq_scale else 1)
    dk = np.einsum("bnts,btnh->bsnh", dscores, q) * (scale if dk_scale else 1)
    return dq, dk, np.einsum("bnts,btnh->bsnh", probs, dy)


def _backward(softmax, **options):
    """The backward with another ``softmax(probs, dprobs)`` in its middle."""

    def backward(dy, cache):
        dprobs = np.einsum("btnh,bsnh->bnts", dy, cache[2])
        return _from(dprobs, softmax(cache[3], dprobs), cache, dy, **options)

    return {"attention_backward": backward}


def _right(probs, dprobs):
    return probs * (dprobs - (probs * dprobs).sum(axis=-1, keepdims=True))


def _scaled_dv(dy, cache):
    dprobs = np.einsum("btnh,bsnh->bnts", dy, cache[2])
    dq, dk, dv = _from(dprobs, _right(cache[3], dprobs), cache, dy)
    return dq, dk, cache[4] * dv


MISTAKES = [
    ("the scale is missing from both dq and dk",
     _backward(_right, dq_scale=False, dk_scale=False)),
    ("dv is multiplied by the scale, which only the scores have",
     {"attention_backward": _scaled_dv}),
    ("the softmax is left out: dprobs is used as dscores", _backward(lambda p, dp: dp)),
    ("the softmax's sum runs over the queries; each query has a row of its own",
     _backward(lambda p, dp: p * (dp - (p * dp).sum(axis=-2, keepdims=True)))),
    ("the plain mean of dprobs is subtracted; the mean must be weighted by probs",
     _backward(lambda p, dp: p * (dp - dp.mean(axis=-1, keepdims=True)))),
    ("the mean of probs * dprobs is subtracted; it must be the sum",
     _backward(lambda p, dp: p * (dp - (p * dp).mean(axis=-1, keepdims=True)))),
    ("dscores lacks the factor probs in front",
     _backward(lambda p, dp: dp - (p * dp).sum(axis=-1, keepdims=True))),
    ("the sum over the keys is left out of the softmax, and probs (1 - probs) stands in its place",
     _backward(lambda p, dp: dp * p * (1 - p))),
]  # fmt: skip
