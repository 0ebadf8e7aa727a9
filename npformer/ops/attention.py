r"""Scaled dot-product attention of many heads, and its variants (Vaswani et al., 2017, 3.2.1).

Shapes      q, dq : (B, T, N, H)    k, dk : (B, S, G, H)    v, dv : (B, S, G, Hv)
            y, dy : (B, T, N, Hv)   mask : bool, broadcast to (B, N, T, S), True = may attend
            scores, probs, dprobs, dscores : (B, N, T, S)
            bias : broadcast to (B, N, T, S)    sink : (N,)

Forward     For each sentence and head, on matrices q (T, H), k (S, H), v (S, Hv):

                scores = scale * q k^T, -inf where the mask hides a key
                probs  = softmax of scores over S      a row that is hidden whole is 0
                y      = probs v

            Each variant changes one of these lines:

            groups     head n reads the k and v of group n // (N / G), where G < N
                       (Shazeer, 2019, arXiv:1911.02150; Ainslie et al., 2023, arXiv:2305.13245)
            softcap    scores = cap * tanh(scale * q k^T / cap)               (Gemma 2, 2024)
            bias       scores = scale * q k^T + bias, after the cap
            window     hides keys that are too far, as causal and the mask do
            sink       probs = exp(scores) / (exp(sink) + sum_s exp(scores))  (gpt-oss, 2025)

Backward    Two products and the softmax between them, each undone in turn. y = probs v:

                dprobs = dy v^T
                dv     = probs^T dy

            the softmax (see softmax.py), row by row:

                dscores = probs * (dprobs - sum_s(dprobs * probs))

            and scores = scale * q k^T, where scale is a factor of both gradients:

                dq = scale * dscores k
                dk = scale * dscores^T q

            With the variants:

            groups     the heads of a group read one k and one v, whose gradients are sums over
                       these heads: as if they were one head of N/G * T queries
            sink       one more key, of score sink, whose value is 0. So its dprobs is 0, and
                       dsink = -sum over B and T of sink_probs * sum_s(dprobs * probs)
            bias       dbias = dscores, summed over every axis along which it was broadcast
            softcap    after dbias, and before dq and dk, dscores is multiplied by the slope
                       1 / cosh(scale * q k^T / cap)^2

Reading     A query moves towards the keys whose values would help more than the average of
            those it attends to, weighted by how much it attends. A hidden key has probs = 0
            exactly, hence dscores = 0: nothing flows through a mask, whatever lies behind it.
            sum_s dscores = 0, so a vector added to every key (a key bias) changes nothing and
            gets no gradient; with a softcap it does, with a sink too. A row that may attend to
            nothing gives y = 0 and no gradient, as PyTorch's scaled_dot_product_attention does.

            What is hidden may be NaN or inf, and 0 times that is NaN. So where a result is not
            finite it is made once more, by sums that leave hidden terms out (hidden.py): no y sees
            a hidden value, no dq a hidden key, no dk or dv a query from which it is hidden. (The
            backward knows a hidden key by probs = 0, and leaves out too what underflowed to 0.)
            PyTorch adds 0 times NaN, and gives NaN.

Chapter     walkthroughs/06_attention.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, finite, sum_to
from npformer.ops.checks import check_groups, check_mask, check_softcap
from npformer.ops.heads import by_group, by_position, swap
from npformer.ops.hidden import dscores_of_seen, sum_of_seen
from npformer.ops.masks import visible
from npformer.ops.softcap import capped
from npformer.seam import op


class AttentionCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, S, G, H)
    v: Array  # (B, S, G, Hv)
    probs: Array  # (B, N, T, S)
    scale: float
    slope: Array | None = None  # (B, N, T, S), the softcap's
    bias_shape: tuple[int, ...] | None = None
    sink_probs: Array | None = None  # (B, N, T, 1)


@op
def attention_forward(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    sink: Array | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
) -> tuple[Array, AttentionCache]:
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv), mask -> y (B, T, N, Hv), cache.

    ``causal`` lets the last query see every key and each one before it a key less, so that new
    queries over the keys of a cache see what they should. With ``window`` a query sees so many
    keys, the last of them at its own position; without ``causal``, as many on the other side.
    ``scale`` is 1 / sqrt(H) unless given. A ``bias`` of -inf hides a key as the mask does.

    Raises ``ShapeError`` for a mask that is not boolean and for groups that do not divide the
    heads, ``ConfigError`` for a window or a softcap that is not positive.
    """
    if mask is not None:
        check_mask(mask)
    if not q.shape[2] == k.shape[2] == v.shape[2]:
        check_groups(q.shape[2], k.shape[2], v.shape[2])
    check_softcap(softcap)
    b, t, n, h = q.shape
    mask = visible(t, k.shape[1], mask, causal=causal, window=window)
    if scale is None:
        scale = 1 / math.sqrt(h)
    slope = None

    scores = by_group(q * scale, k.shape[2]) @ swap(k).mT  # (B, G, N/G * T, S)
    grouped = scores.shape
    scores = scores.reshape(b, n, t, grouped[-1])  # (B, N, T, S)
    if softcap is not None:
        scores, slope = capped(scores, softcap)
    if bias is not None:
        scores += bias
    if mask is not None:
        np.copyto(scores, -np.inf, where=~mask)
    probs, sink_probs = _softmax(scores, sink)
    y = probs.reshape(grouped) @ swap(v)
    if mask is not None and not finite(y):
        probs = np.where(mask, probs, 0)
        seen = np.broadcast_to(mask, probs.shape).reshape(grouped)
        y = sum_of_seen(seen, probs.reshape(grouped), swap(v))
    bias_shape = None if bias is None else bias.shape
    cache = AttentionCache(q, k, v, probs, scale, slope, bias_shape, sink_probs)
    return by_position(y, n), cache


@op
def attention_backward(dy: Array, cache: AttentionCache) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq (B, T, N, H), dk (B, S, G, H), dv (B, S, G, Hv).

    After these dbias, of the bias's shape, where there was one, and dsink (N,) likewise.
    """
    q, k, v, probs, scale, slope = cache[:6]
    q, dy = by_group(q, k.shape[2]), by_group(dy, k.shape[2])  # (B, G, N/G * T, H or Hv)
    k, v = swap(k), swap(v)  # (B, G, S, H or Hv)
    probs = probs.reshape(*dy.shape[:3], k.shape[2])  # (B, G, N/G * T, S)
    slope = slope if slope is None else slope.reshape(probs.shape)
    dv = probs.mT @ dy
    dscores = dy @ v.mT  # dprobs, until the next lines have made it dscores
    mean = np.vecdot(dscores, probs)[..., None]  # (B, G, N/G * T, 1)
    dscores -= mean
    dscores *= probs
    others = _dbias_dsink(dscores, mean, cache)
    if slope is not None:
        dscores *= slope
    dq = scale * (dscores @ k)
    dk = scale * (dscores.mT @ q)
    # What is not finite in k is in the dq of every query; in q, dy or v, in the dk of every key.
    if not (finite(dq[:, :, :1]) and finite(dk[:, :, :1])):
        seen = probs != 0  # (B, G, N/G * T, S)
        dv = sum_of_seen(seen.mT, probs.mT, dy)
        dscores, mean = dscores_of_seen(seen, probs, dy @ v.mT)
        others = _dbias_dsink(dscores, mean, cache)
        dscores = dscores if slope is None else np.where(seen, dscores * slope, 0)
        dq = scale * sum_of_seen(seen, dscores, k)
        dk = scale * sum_of_seen(seen.mT, dscores.mT, q)
    return by_position(dq, cache.q.shape[2]), swap(dk), swap(dv), *others


def attention_inside(
    dy: Array,
    cache: AttentionCache,
    mask: Array | None = None,
    bias: Array | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    softcap: float | None = None,
) -> dict[str, Array]:
    """dy (B, T, N, Hv) -> scores, dprobs and dscores (B, N, T, S), which the passes overwrite.

    ``scores`` are what the softmax reads, -inf where a key is hidden; the other arguments are those
    of the forward.
    """
    shape = cache.probs.shape
    queries = by_group(cache.q * cache.scale, cache.k.shape[2])
    scores = (queries @ swap(cache.k).mT).reshape(shape)
    if softcap is not None:
        scores, _ = capped(scores, softcap)
    if bias is not None:
        scores = scores + bias
    mask = visible(shape[2], shape[3], mask, causal=causal, window=window)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    dprobs = by_group(dy, cache.k.shape[2]) @ swap(cache.v).mT
    dprobs = dprobs.reshape(shape)
    dscores, _ = dscores_of_seen(cache.probs != 0, cache.probs, dprobs)
    return {"scores": scores, "dprobs": dprobs, "dscores": dscores}


def _softmax(scores: Array, sink: Array | None) -> tuple[Array, Array | None]:
    """scores (B, N, T, S), sink (N,) -> probs (B, N, T, S) and the sink's (B, N, T, 1).

    In the memory of scores. A row of nothing but -inf becomes 0.
    """
    lowest = np.finfo(scores.dtype).min  # -inf less this is -inf, and less itself it is NaN
    highest = scores.max(axis=-1, keepdims=True, initial=lowest)
    if sink is not None:
        sink = sink[:, None, None]
        highest = np.maximum(highest, sink)
    scores -= highest
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    if sink is not None:
        sink = np.exp(sink - highest)
        total += sink
    np.maximum(total, 1, out=total)  # the highest counts 1, so below it is but a row of nothing
    scores /= total
    return scores, None if sink is None else sink / total


def _dbias_dsink(dscores: Array, mean: Array, cache: AttentionCache) -> tuple[Array, ...]:
    """dscores (..., S), mean (..., 1), before scale and slope -> the gradients of those given."""
    shape = cache.probs.shape
    found = []
    if cache.bias_shape is not None:
        found.append(sum_to(dscores.reshape(shape), cache.bias_shape))
    if cache.sink_probs is not None:
        dsink = -cache.sink_probs * mean.reshape(*shape[:3], 1)
        found.append(sum_to(dsink, (shape[1], 1, 1)).reshape(-1))
    return tuple(found)
