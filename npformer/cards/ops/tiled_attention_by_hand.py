"""Attention in tiles, step by step: each step may be replaced by a wrong one.

The scores come whole, from the steps of plain attention; what is done tile by tile is here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.cards.ops import attention_by_hand as plain
from npformer.ops.array import sum_to
from npformer.ops.masks import packed_mask
from npformer.ops.tiled_attention import TiledAttentionCache, tiled_attention_forward


@dataclasses.dataclass
class Row:
    """What is kept of a row of tiles: m and total (B, N, T, 1), y (B, N, T, Hv)."""

    m: Array
    total: Array
    y: Array


def start(row: Row, sink: Array | None) -> None:
    """A sink is there before the first tile."""
    if sink is not None:
        row.m[:], row.total[:] = sink[:, None, None], 1


def parts(s: int, tile: int) -> Iterator[slice]:
    """The columns of each tile."""
    return (slice(c, min(c + tile, s)) for c in range(0, s, tile))


def allowed(t: int, s: int, static: dict[str, Any]) -> Array:
    """(B, N, T, S), or what broadcasts to it."""
    seen = plain.allowed(t, s, static["mask"], static["causal"], static["window"])
    return seen if static["offsets"] is None else seen & packed_mask(static["offsets"], s)


def update(row: Row, scores: Array, v: Array, sink: Array | None) -> None:
    """One tile more: scores (B, N, T, j), v (B, N, j, Hv)."""
    highest = np.maximum(row.m, scores.max(-1, keepdims=True))
    shift = np.where(highest == -np.inf, 0, highest)
    p, stretch = np.exp(scores - shift), np.exp(row.m - shift)
    row.total = row.total * stretch + p.sum(-1, keepdims=True)
    row.y = row.y * stretch + p @ v
    row.m = highest


def divide(row: Row) -> Array:
    """y at the end."""
    return row.y / np.where(row.total == 0, 1, row.total)


def lse(row: Row) -> Array:
    """(B, N, T, 1)."""
    return np.where(row.m == -np.inf, -np.inf, row.m + np.log(row.total))


FORWARD = {f.__name__: f for f in (start, parts, allowed, update, divide, lse)}


def forward(**wrong: Any) -> Any:
    """The forward with some of its steps replaced."""
    step = {**FORWARD, **wrong}

    def run(q, k, v, mask=None, bias=None, sink=None, *, tile=128, **options):
        static = {"mask": mask, "causal": False, "window": None, "offsets": None, **options}
        (b, t, n, _), s = q.shape, k.shape[1]
        _, cache = tiled_attention_forward(q, k, v, mask, bias, sink, tile=tile, **options)
        scores = _scores(cache, step["allowed"](t, s, static))
        values = plain.heads_of(v, n).swapaxes(1, 2)
        row = Row(*(np.full((b, n, t, w), x, q.dtype) for w, x in
                    ((1, -np.inf), (1, 0.0), (v.shape[3], 0.0))))  # fmt: skip
        step["start"](row, sink)
        for part in step["parts"](s, tile):
            if part.stop > part.start:
                step["update"](row, scores[..., part], values[:, :, part], sink)
        y = step["divide"](row).swapaxes(1, 2).astype(q.dtype)
        return y, cache._replace(y=y, lse=step["lse"](row).astype(q.dtype))

    return run


def _scores(cache: TiledAttentionCache, seen: Array) -> Array:
    scores, _ = plain.cap(plain.scores(cache.q, cache.k, cache.scale), cache.softcap)
    return plain.hide(plain.add(scores, cache.bias), seen)


def _seen(cache: TiledAttentionCache) -> Array:
    here = np.arange(cache.k.shape[1])
    seen = (cache.first[:, None] <= here) & (here < cache.last[:, None])
    return seen if cache.mask is None else seen & cache.mask


def weights(scores: Array, lse: Array) -> Array:
    """A tile's weights."""
    return np.exp(scores - lse)


def row_sum(dy: Array, y: Array, p: Array, dp: Array) -> Array:
    """D (B, N, T, 1), of dy, y (B, N, T, Hv) and the whole p, dp (B, N, T, S)."""
    return (dy * y).sum(-1, keepdims=True)


def in_tile(D: Array, p: Array, dp: Array) -> Array:
    """What is subtracted from dp in a tile."""
    return D


def add(total: Array, where: Any, share: Array) -> None:
    """A tile's share is added."""
    total[where] += share


def dsink(sink: Array, lse: Array, D: Array, tiles: int) -> Array:
    """(N,)."""
    return -(np.exp(sink[:, None, None] - lse) * D).sum((0, 2, 3))


NAMES = ("add_dq", "add_dk", "add_dv", "add_dbias")
BACKWARD: dict[str, Any] = {f.__name__: f for f in (weights, row_sum, in_tile, dsink, parts)}
BACKWARD |= {name: add for name in NAMES}


def backward(**wrong: Any) -> Any:
    """The backward with some of its steps replaced; rows and columns in tiles."""
    step = {**BACKWARD, **wrong}

    def run(dy, cache):
        q, k, v, _, bias, sink = cache[:6]
        t, s, groups = q.shape[1], k.shape[1], k.shape[2]
        raw, slope = plain.cap(plain.scores(q, k, cache.scale), cache.softcap)
        scores = plain.hide(plain.add(raw, bias), _seen(cache))
        lse = np.where(cache.lse == -np.inf, 0, cache.lse)
        p, dp = step["weights"](scores, lse), plain.dprobs(dy, v)
        D = step["row_sum"](dy.swapaxes(1, 2), cache.y.swapaxes(1, 2), p, dp)
        dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
        dbias = None if bias is None else np.zeros(np.broadcast_shapes(bias.shape, (1, 1)), q.dtype)
        columns = list(step["parts"](s, cache.tile))
        for i in parts(t, cache.tile):
            for j in columns:
                ds = p[..., i, j] * (dp[..., i, j] - step["in_tile"](
                    D[:, :, i], p[..., i, j], dp[..., i, j]))  # fmt: skip
                if dbias is not None:
                    at = tuple(x if size > 1 else slice(None) for x, size in
                               zip((i, j), dbias.shape[-2:], strict=True))  # fmt: skip
                    shape = dbias[..., *at].shape
                    step["add_dbias"](dbias, (..., *at), sum_to(ds, shape))
                ds = plain.uncap(ds, None if slope is None else slope[..., i, j])
                step["add_dv"](dv, (slice(None), j), plain.dv(p[..., i, j], dy[:, i], groups))
                step["add_dq"](dq, (slice(None), i), plain.dq(ds, k[:, j], cache.scale))
                step["add_dk"](dk, (slice(None), j), plain.dk(ds, q[:, i], groups, cache.scale))
        found = [dq, dk, dv]
        if dbias is not None:
            found.append(dbias.reshape(bias.shape))
        if sink is not None:
            found.append(step["dsink"](sink, lse, D, len(columns)))
        return tuple(each.astype(dy.dtype) for each in found)

    return run
