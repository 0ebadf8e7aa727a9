"""Attention step by step, by einsum: each step may be replaced by a wrong one.

``forward(softmax=wrong)`` and ``backward(dscores=wrong)`` are the pair with one mistake in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.ops.array import sum_to
from npformer.ops.attention import AttentionCache
from npformer.ops.masks import visible
from npformer.ops.softcap import capped


def heads_of(k: Array, n: int) -> Array:
    """(B, S, G, H) -> (B, S, N, H): head h reads group h // (N / G)."""
    return np.repeat(k, n // max(k.shape[2], 1), 2)


def summed(dk: Array, groups: int) -> Array:
    """(B, S, N, H) -> (B, S, G, H)."""
    b, s, n, h = dk.shape
    return dk.reshape(b, s, groups, n // max(groups, 1), h).sum(3)


def allowed(t: int, s: int, mask: Any, causal: bool, window: int | None) -> Any:
    """(B, N, T, S), or what broadcasts to it."""
    seen = visible(t, s, mask, causal=causal, window=window)
    return np.ones((1, 1), bool) if seen is None else seen


def scores(q: Array, k: Array, scale: float) -> Array:
    """(B, N, T, S)."""
    return (np.einsum("btnh,bsnh->bnts", q, heads_of(k, q.shape[2])) * scale).astype(q.dtype)


def cap(scores: Array, softcap: float | None) -> tuple[Array, Any]:
    """The capped scores, and the slope or None."""
    return (scores, None) if softcap is None else capped(scores, softcap)


def add(scores: Array, bias: Array | None) -> Array:
    """The bias is added to what is capped already."""
    return scores if bias is None else scores + bias


def hide(scores: Array, seen: Array) -> Array:
    """-inf where a key is hidden."""
    return np.where(seen, scores, -np.inf).astype(scores.dtype)


def softmax(scores: Array, sink: Array | None, seen: Array) -> tuple[Array, Any]:
    """probs (B, N, T, S), and the sink's (B, N, T, 1) or None; what is hidden is -inf already."""
    last = np.full((*scores.shape[:3], 1), -np.inf, scores.dtype)
    if sink is not None:
        last[:] = sink[:, None, None]
    both = np.concatenate([scores, last], -1)
    highest = both.max(-1, keepdims=True)
    e = np.exp(both - np.where(highest == -np.inf, 0, highest))
    total = e.sum(-1, keepdims=True)
    probs = e / np.where(total == 0, 1, total)
    return probs[..., :-1], None if sink is None else probs[..., -1:]


FORWARD = {f.__name__: f for f in (allowed, scores, cap, add, hide, softmax)}


def forward(**wrong: Any) -> Any:
    """The forward with some of its steps replaced."""
    step = {**FORWARD, **wrong}

    def run(
        q, k, v, mask=None, bias=None, sink=None,
        *, causal=False, window=None, scale=None, softcap=None,
    ):  # fmt: skip
        scale = 1 / np.sqrt(q.dtype.type(q.shape[-1])) if scale is None else scale
        seen = step["allowed"](q.shape[1], k.shape[1], mask, causal, window)
        found, slope = step["cap"](step["scores"](q, k, scale), softcap)
        found = step["hide"](step["add"](found, bias), seen)
        probs, sunk = step["softmax"](found, sink, seen)
        probs = probs.astype(q.dtype)
        y = np.einsum("bnts,bsnh->btnh", probs, heads_of(v, q.shape[2]))
        shape = None if bias is None else bias.shape
        return y, AttentionCache(q, k, v, probs, float(scale), slope, shape, sunk)

    return run


def dprobs(dy: Array, v: Array) -> Array:
    """(B, N, T, S)."""
    return np.einsum("btnh,bsnh->bnts", dy, heads_of(v, dy.shape[2]))


def dscores(probs: Array, dprobs: Array, sink_probs: Array | None) -> tuple[Array, Array]:
    """The softmax's backward, and the mean of dprobs."""
    mean = (dprobs * probs).sum(-1, keepdims=True)
    return probs * (dprobs - mean), mean


def dbias(dscores: Array, shape: tuple[int, ...], slope: Array | None) -> Array:
    """Summed over what the bias was broadcast on."""
    return sum_to(dscores, shape)


def dsink(sink_probs: Array, mean: Array) -> Array:
    """(N,)."""
    return -(sink_probs * mean).sum((0, 2, 3))


def uncap(dscores: Array, slope: Array | None) -> Array:
    """Back through the softcap."""
    return dscores if slope is None else dscores * slope


def dq(dscores: Array, k: Array, scale: float) -> Array:
    """(B, T, N, H)."""
    return scale * np.einsum("bnts,bsnh->btnh", dscores, heads_of(k, dscores.shape[1]))


def dk(dscores: Array, q: Array, groups: int, scale: float) -> Array:
    """(B, S, G, H)."""
    return scale * summed(np.einsum("bnts,btnh->bsnh", dscores, q), groups)


def dv(probs: Array, dy: Array, groups: int) -> Array:
    """(B, S, G, Hv)."""
    return summed(np.einsum("bnts,btnh->bsnh", probs, dy), groups)


BACKWARD = {f.__name__: f for f in (dprobs, dscores, dbias, dsink, uncap, dq, dk, dv)}


def backward(**wrong: Any) -> Any:
    """The backward with some of its steps replaced."""
    step = {**BACKWARD, **wrong}

    def run(dy, cache):
        groups = cache.k.shape[2]
        ds, mean = step["dscores"](cache.probs, step["dprobs"](dy, cache.v), cache.sink_probs)
        others = []
        if cache.bias_shape is not None:
            others.append(step["dbias"](ds, cache.bias_shape, cache.slope))
        if cache.sink_probs is not None:
            others.append(step["dsink"](cache.sink_probs, mean))
        ds = step["uncap"](ds, cache.slope)
        found = (
            step["dq"](ds, cache.k, cache.scale),
            step["dk"](ds, cache.q, groups, cache.scale),
            step["dv"](cache.probs, dy, groups),
            *others,
        )
        return tuple(each.astype(dy.dtype) for each in found)

    return run
