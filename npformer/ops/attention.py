r"""Scaled dot-product attention of many heads (Vaswani et al., 2017, section 3.2.1).

Shapes      q, dq : (B, T, N, H)    k, dk : (B, S, N, H)    v, dv : (B, S, N, Hv)
            y, dy : (B, T, N, Hv)   mask : bool, broadcast to (B, N, T, S), True = may attend
            scores, probs, dprobs, dscores : (B, N, T, S)

Forward     For each sentence and head, on matrices q (T, H), k (S, H), v (S, Hv):

                scores = scale * q k^T, -inf where the mask hides a key
                probs  = softmax of scores over S      a row that is hidden whole is 0
                y      = probs v

Backward    Two products and the softmax between them, each undone in turn. y = probs v:

                dprobs = dy v^T
                dv     = probs^T dy

            the softmax (see softmax.py), row by row:

                dscores = probs * (dprobs - sum_s(dprobs * probs))

            and scores = scale * q k^T, where scale is a factor of both gradients:

                dq = scale * dscores k
                dk = scale * dscores^T q

Reading     A query moves towards the keys whose values would help more than the average of
            those it attends to, weighted by how much it attends. A hidden key has probs = 0
            exactly, hence dscores = 0: nothing flows through a mask, whatever lies behind it.
            sum_s dscores = 0, so a vector added to every key (a key bias) changes nothing and
            gets no gradient. A row that may attend to nothing gives y = 0 and no gradient, as
            PyTorch's scaled_dot_product_attention does.

            What is hidden may be NaN or inf, and 0 times that is NaN. So where a result is not
            finite it is made once more, by sums that leave hidden terms out: no y sees a hidden
            value, no dq a hidden key, no dk or dv a query from which it is hidden. (The backward
            knows a hidden key by probs = 0, and leaves out too what underflowed to 0.) PyTorch
            adds 0 times NaN, and gives NaN.

Chapter     walkthroughs/06_attention.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, finite
from npformer.ops.checks import check_mask
from npformer.ops.masks import causal_mask
from npformer.seam import op


class AttentionCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, S, N, H)
    v: Array  # (B, S, N, Hv)
    probs: Array  # (B, N, T, S)
    scale: float


@op
def attention_forward(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[Array, AttentionCache]:
    """q (B, T, N, H), k (B, S, N, H), v (B, S, N, Hv), mask -> y (B, T, N, Hv), cache.

    ``causal`` lets the last query see every key and each one before it a key less, so that new
    queries over the keys of a cache see what they should. ``scale`` is 1 / sqrt(H) unless given.
    Raises ``ShapeError`` for a mask that is not boolean.
    """
    if mask is not None:
        check_mask(mask)
    if causal and q.shape[1] > 1:  # a single query, the last, sees every key
        triangle = causal_mask(q.shape[1], k.shape[1])  # (T, S)
        mask = triangle if mask is None else mask & triangle
    if scale is None:
        scale = 1 / math.sqrt(q.shape[-1])

    scores = _swap(q * scale) @ _swap(k).mT  # (B, N, T, S)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    probs = _softmax(scores)
    y = probs @ _swap(v)
    if mask is not None and not finite(y):
        probs = np.where(mask, probs, 0)
        y = _sum_of_seen(mask, probs, _swap(v))
    return _swap(y), AttentionCache(q, k, v, probs, scale)


@op
def attention_backward(dy: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """dy (B, T, N, Hv) -> dq (B, T, N, H), dk (B, S, N, H), dv (B, S, N, Hv)."""
    q, k, v, probs, scale = cache
    q, k, v, dy = _swap(q), _swap(k), _swap(v), _swap(dy)  # (B, N, T or S, H or Hv)
    dv = probs.mT @ dy
    dscores = dy @ v.mT  # dprobs, until the next lines have made it dscores
    dscores -= np.vecdot(dscores, probs)[..., None]
    dscores *= probs
    dscores *= scale
    dq = dscores @ k
    dk = dscores.mT @ q
    # What is not finite in k is in the dq of every query; in q, dy or v, in the dk of every key.
    if not (finite(dq[:, :, :1]) and finite(dk[:, :, :1])):
        seen = probs != 0  # (B, N, T, S)
        dv = _sum_of_seen(seen.mT, probs.mT, dy)
        dscores = scale * _dscores_of_seen(seen, probs, dy @ v.mT)
        dq = _sum_of_seen(seen, dscores, k)
        dk = _sum_of_seen(seen.mT, dscores.mT, q)
    return _swap(dq), _swap(dk), _swap(dv)


def attention_inside(dy: Array, cache: AttentionCache) -> dict[str, Array]:
    """dy (B, T, N, Hv) -> dprobs and dscores (B, N, T, S), which the backward overwrites."""
    dprobs = _swap(dy) @ _swap(cache.v).mT
    dscores = _dscores_of_seen(cache.probs != 0, cache.probs, dprobs)
    return {"dprobs": dprobs, "dscores": dscores}


def _swap(x: Array) -> Array:
    """(B, T, N, H) -> (B, N, T, H) and back; a view, which matmul reads as it is."""
    return x.swapaxes(1, 2)


def _softmax(scores: Array) -> Array:
    """softmax over the last axis, in place; a row of nothing but -inf becomes 0."""
    highest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    scores -= np.where(highest == -np.inf, 0, highest)
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    scores /= np.where(total == 0, 1, total)
    return scores


def _dscores_of_seen(seen: Array, probs: Array, dprobs: Array) -> Array:
    """seen, probs, dprobs (..., S) -> dscores before the scale (..., S), 0 where not seen."""
    dprobs = np.where(seen, dprobs, 0)
    dscores = probs * (dprobs - np.vecdot(dprobs, probs)[..., None])
    return np.where(seen, dscores, 0)


def _sum_of_seen(seen: Array, weights: Array, x: Array) -> Array:
    """weights (..., T, S), 0 where not seen, x (..., S, H) -> sum over seen s (..., T, H)."""
    plain = np.isfinite(x)
    y = weights @ np.where(plain, x, 0)
    seen = np.broadcast_to(seen, weights.shape)
    for s in np.flatnonzero(~plain.all(axis=(0, 1, 3))):
        rest = np.where(plain[..., s, :], 0, x[..., s, :])[..., None, :]  # (..., 1, H)
        y += np.where(seen[..., s, None], weights[..., s, None] * rest, 0)
    return y
