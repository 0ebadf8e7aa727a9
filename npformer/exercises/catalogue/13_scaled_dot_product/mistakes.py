"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np


def _softmax(scores, axis=-1):
    highest = scores.max(axis=axis, keepdims=True)
    e = np.exp(scores - np.where(highest == -np.inf, 0, highest))
    total = e.sum(axis=axis, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _attention(q, k, v, mask, causal, scale=None, softmax=_softmax):
    scale = 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    scores = np.einsum("btnh,bsnh->bnts", q, k) * scale
    if causal:
        triangle = np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
        mask = triangle if mask is None else mask & triangle
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return np.einsum("bnts,bsnh->btnh", softmax(scores), v)


def _over_queries(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, mask, causal, softmax=lambda scores: _softmax(scores, -2))


def _by_size(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, mask, causal, 1 / q.shape[-1])


def _multiplied(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, mask, causal, np.sqrt(q.shape[-1]))


def _causal_only(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, None if causal else mask, causal)


def _mask_only(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, mask, causal and mask is None)


def _never_causal(q, k, v, mask=None, *, causal=False):
    return _attention(q, k, v, mask, False)


def _either(q, k, v, mask=None, *, causal=False):
    if causal and mask is not None:
        mask = mask | np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
    return _attention(q, k, v, mask, causal and mask is None)


def _from_the_start(q, k, v, mask=None, *, causal=False):
    if causal:
        triangle = np.tri(q.shape[1], k.shape[1], dtype=bool)
        mask = triangle if mask is None else mask & triangle
    return _attention(q, k, v, mask, False)


def _hidden_as_zero(q, k, v, mask=None, *, causal=False):
    def softmax(scores):
        return _softmax(np.where(scores == -np.inf, 0, scores))

    return _attention(q, k, v, mask, causal, softmax=softmax)


def _large(off, guarded):
    """Without a mask, and with ``off(scores)`` in the place of the row's maximum."""

    def forward(q, k, v):
        scores = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(q.shape[-1])
        e = np.exp(scores - off(scores))
        total = e.sum(axis=-1, keepdims=True)
        if guarded:
            total = np.where(total == 0, 1, total)
        return np.einsum("bnts,bsnh->btnh", e / total, v)

    return {"attention_forward": forward}


MISTAKES = [
    ("a query that sees nothing gives NaN; it must give 0", "attention/nan-rows"),
    ("the mask is applied to the weights, after the softmax: they no longer sum to 1",
     "attention/mask-after-softmax"),
    ("a large negative number stands for -inf: a query that sees nothing attends to everything",
     "attention/finite-mask"),
    ("the score of a hidden key is set to 0, and exp(0) is 1; it must be -inf",
     {"attention_forward": _hidden_as_zero}),
    ("the mask is inverted: True shows a key, False hides it", "attention/mask-inverted"),
    ("the causal mask is off by one: a position sees the next", "attention/causal-leak"),
    ("the causal mask is off by one: a position does not see itself", "attention/causal-blind"),
    ("causal is ignored", {"attention_forward": _never_causal}),
    ("the mask is lost where causal is set", {"attention_forward": _causal_only}),
    ("causal is lost where a mask is given", {"attention_forward": _mask_only}),
    ("a key is shown that either the mask or causal allows; both must allow it",
     {"attention_forward": _either}),
    ("query t sees the keys 0 ... t, however many there are; the last query must see every key",
     {"attention_forward": _from_the_start}),
    ("the scores are not divided by sqrt(H)", "attention/scale-forgotten"),
    ("the scores are divided by H, not by sqrt(H)", {"attention_forward": _by_size}),
    ("the scores are multiplied by sqrt(H), not divided", {"attention_forward": _multiplied}),
    ("the scores are divided by sqrt(N H), the width of all heads; H is the size of one",
     "attention/scaled-by-model-width"),
    ("the softmax runs over the queries; each query's weights over the keys must sum to 1",
     {"attention_forward": _over_queries}),
]  # fmt: skip

OVERFLOWS = [
    (sentence, _large(off, guarded))
    for sentence, off in (
        ("exp overflows: the row's maximum was not subtracted", lambda scores: 0),
        ("one maximum is subtracted from the whole array: in a row far below it every exp is 0",
         np.max),
    )
    for guarded in (True, False)
]  # fmt: skip
