"""Wrong attention."""

from __future__ import annotations

import numpy as np

from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.softmax import softmax_forward
from npformer.verify.mutants.mutant import Family

attention = Family("attention")


@attention.backward("scale-missing-from-dq", "dq lacks the scale")
def _dq_scale(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq / cache.scale, dk, dv


@attention.backward("scale-missing-from-dk", "dk lacks the scale")
def _dk_scale(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq, dk / cache.scale, dv


@attention.backward("scale-twice", "dq is scaled twice")
def _twice(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq * cache.scale, dk, dv


@attention.backward("softmax-diagonal", "the softmax's sum over keys is left out of dscores")
def _diagonal(dy, cache):
    q, k, v, probs, scale = cache
    _, _, dv = attention_backward(dy, cache)
    dscores = scale * probs * np.einsum("btnh,bsnh->bnts", dy, v)
    dq = np.einsum("bnts,bsnh->btnh", dscores, k)
    return dq, np.einsum("bnts,btnh->bsnh", dscores, q), dv


@attention.backward("dv-from-uniform-weights", "dv ignores the weights: every key gets the same")
def _uniform(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    even = np.ones_like(cache.probs) / max(cache.probs.shape[-1], 1)
    return dq, dk, np.einsum("bnts,btnh->bsnh", even, dy).astype(dv.dtype)


@attention.backward("dv-from-unmasked-weights", "dv uses weights that were never masked")
def _unmasked_dv(dy, cache):
    dq, dk, _ = attention_backward(dy, cache)
    scores = np.einsum("btnh,bsnh->bnts", cache.q, cache.k) * cache.scale
    probs, _ = softmax_forward(scores)
    return dq, dk, np.einsum("bnts,btnh->bsnh", probs, dy)


@attention.backward("dk-without-transpose", "dscores is reshaped to (S, T), not transposed, in dk")
def _dk_transpose(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    b, n, t, s = cache.probs.shape
    turned = _dscores(dy, cache).reshape(b, n, s, t)
    return dq, np.einsum("bnst,btnh->bsnh", turned, cache.q), dv


@attention.backward("heads-mixed", "heads are reshaped without being permuted back")
def _heads(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq.swapaxes(1, 2).reshape(dq.shape), dk, dv


@attention.backward("dk-from-k", "dscores is multiplied by k in dk, where q belongs")
def _dk_from_k(dy, cache):
    dq, _, dv = attention_backward(dy, cache)
    return dq, np.einsum("bnts,bsnh->bsnh", _dscores(dy, cache), cache.k), dv


@attention.backward("single-precision", "the gradients are computed silently in float32")
def _float32(dy, cache):
    q, k, v, probs = (np.asarray(a, np.float32) for a in cache[:4])
    narrow = AttentionCache(q, k, v, probs, cache.scale)
    wrong = attention_backward(dy.astype(np.float32), narrow)
    return tuple(gradient.astype(dy.dtype) for gradient in wrong)


@attention.backward("dv-averaged", "dv is averaged over the queries that read it")
def _dv_mean(dy, cache):
    dq, dk, dv = attention_backward(dy, cache)
    return dq, dk, dv / max(dy.shape[1], 1)


def _dscores(dy, cache):
    dprobs = np.einsum("btnh,bsnh->bnts", dy, cache.v)
    inner = (dprobs * cache.probs).sum(-1, keepdims=True)
    return cache.scale * cache.probs * (dprobs - inner)


def _by_hand(q, k, v, mask, causal, scale, softmax):
    """The forward with ``softmax(scores, allowed)`` in the middle."""
    scale = 1 / np.sqrt(q.dtype.type(q.shape[-1])) if scale is None else scale
    scores = (np.einsum("btnh,bsnh->bnts", q, k) * scale).astype(q.dtype)
    allowed = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    if causal:
        allowed = allowed & np.tril(np.ones(scores.shape[-2:], bool))
    probs = softmax(scores, allowed).astype(q.dtype)
    return np.einsum("bnts,bsnh->btnh", probs, v), AttentionCache(q, k, v, probs, float(scale))


@attention.forward(
    "mask-after-softmax", "the mask is applied to the weights, which then sum to less"
)
def _mask_after(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return np.where(allowed, softmax_forward(scores)[0], 0)

    return _by_hand(q, k, v, mask, causal, scale, softmax)


@attention.forward(
    "finite-mask", "-1e9 stands for -inf: rows that see nothing attend to everything"
)
def _finite(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return softmax_forward(np.where(allowed, scores, scores.dtype.type(-1e9)))[0]

    return _by_hand(q, k, v, mask, causal, scale, softmax)


@attention.forward("mask-inverted", "True hides where it should show")
def _inverted(q, k, v, mask=None, *, causal=False, scale=None):
    return attention_forward(q, k, v, None if mask is None else ~mask, causal=causal, scale=scale)


@attention.forward("nan-rows", "a query that sees nothing gives NaN")
def _nan(q, k, v, mask=None, *, causal=False, scale=None):
    def softmax(scores, allowed):
        return softmax_forward(np.where(allowed, scores, -np.inf).astype(scores.dtype))[0]

    return _by_hand(q, k, v, mask, causal, scale, softmax)


def _shifted(by):
    def forward(q, k, v, mask=None, *, causal=False, scale=None):
        if causal:
            triangle = np.tri(q.shape[1], k.shape[1], by, dtype=bool)
            mask = triangle if mask is None else mask & triangle
        return attention_forward(q, k, v, mask, scale=scale)

    return forward


attention.forward("causal-leak", "the causal mask is off by one: a position sees the next")(
    _shifted(1)
)
attention.forward("causal-blind", "the causal mask is off by one: a position does not see itself")(
    _shifted(-1)
)


@attention.forward("scaled-by-model-width", "the scale is 1 / sqrt(N H), the model's width")
def _width(q, k, v, mask=None, *, causal=False, scale=None):
    if scale is None:
        scale = 1 / np.sqrt(max(q.shape[-1] * q.shape[-2], 1)).item()
    return attention_forward(q, k, v, mask, causal=causal, scale=scale)


@attention.forward("scale-forgotten", "scores are not divided by sqrt(H)")
def _unscaled(q, k, v, mask=None, *, causal=False, scale=None):
    return attention_forward(q, k, v, mask, causal=causal, scale=1.0 if scale is None else scale)


MUTANTS = (*attention.mutants,)
