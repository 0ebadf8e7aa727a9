r"""Attention without its matrix: tile by tile, forward and backward (Dao, 2023, arXiv:2307.08691).

Shapes      as in attention.py; y : (B, T, N, Hv)    lse, D : (B, N, T, 1)
            in a tile of rows i and columns j: scores, p, dp, ds : (B, N, i, j)

Forward     A row's softmax needs its maximum m and its sum, which the last tile may change. So
            both are kept as they stand, and what was summed under an old m is stretched to the
            new one (Milakov & Gimelshein, 2018, arXiv:1805.02867). Tile after tile of the keys:

                m'    = max(m, max_j scores)
                p     = exp(scores - m')
                total = total exp(m - m') + sum_j p       first m = -inf, total = 0
                y     = y exp(m - m') + p v               first y = 0
                m     = m'

            and at the end

                y   = y / total
                lse = m + log(total)                      natural logarithm; -inf: sees nothing

            With a sink every row starts from it: m = sink, total = 1.

Backward    No probability was kept; lse gives each back, exp(scores - lse). The softmax's
            backward needs one number a row, a sum over all keys, before the row's first tile
            can be used. But y = sum_s p_s v_s is known, and

                sum_s p_s dp_s = sum_s p_s sum_h dy_h v_sh = sum_h dy_h sum_s p_s v_sh

                D     = sum_h dy_h y_h                    the row sum of dy * y
                p     = exp(scores - lse)
                dv   += p^T dy
                dp    = dy v^T
                ds    = p * (dp - D)
                dq   += scale * ds k
                dk   += scale * ds^T q
                dsink = -sum over B and T of exp(sink - lse) * D
                dbias and the softcap's slope as in attention.py

Reading     Memory grows with T + S and the square of a tile, not with T * S: the price is that
            scores are made twice. Tiles that a causal mask, a window or documents hide whole are
            not made at all, so a window's time grows with T * window.

            D takes a sum over Hv numbers a row, where the sum of dp * p takes a row of S, and the
            tiles once more to use it. And it sees no hidden key, NaN or not.

            Nothing of the backward asks whether y and lse are those of these keys alone. Where
            keys lie in parts, on several machines say, each part gives its y and lse; ``merged``
            makes one of two, and each part's backward with the merged pair in its cache gives its
            share of dq, and its dk and dv: this is a step of ring attention (Liu, Zaharia &
            Abbeel, 2023, arXiv:2310.01889).

Chapter     walkthroughs/19_attention_in_tiles.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, sum_to
from npformer.ops.checks import check_groups, check_mask, check_softcap, check_tile
from npformer.ops.heads import swap
from npformer.ops.masks import seen_from_to
from npformer.ops.softcap import capped
from npformer.ops.tiles import Tile, over_columns, over_rows, scores_of, tiles
from npformer.seam import op


class TiledAttentionCache(NamedTuple):
    q: Array  # (B, T, N, H)
    k: Array  # (B, S, G, H)
    v: Array  # (B, S, G, Hv)
    mask: Array | None  # broadcast to (B, N, T, S)
    bias: Array | None  # broadcast to (B, N, T, S)
    sink: Array | None  # (N,)
    first: Array  # (T,), the first key that a query may see
    last: Array  # (T,), and the first after those
    scale: float
    softcap: float | None
    tile: int
    y: Array  # (B, T, N, Hv)
    lse: Array  # (B, N, T, 1)


@op
def tiled_attention_forward(
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
    offsets: Array | None = None,
    tile: int = 256,
) -> tuple[Array, TiledAttentionCache]:
    """q (B, T, N, H), k (B, S, G, H), v (B, S, G, Hv), mask -> y (B, T, N, Hv), cache.

    The arguments are those of ``attention_forward``. ``offsets`` (D + 1,) are of documents packed
    into one row, as in ``packed_mask``; each sees itself alone, and T = S.

    Raises what ``attention_forward`` does, ``ShapeError`` for offsets that are none, and
    ``ConfigError`` for a tile below 1.
    """
    if mask is not None:
        check_mask(mask)
    check_groups(q.shape[2], k.shape[2], v.shape[2])
    check_softcap(softcap)
    check_tile(tile)
    (b, t, n, h), s = q.shape, k.shape[1]
    first, last = seen_from_to(t, s, causal=causal, window=window, offsets=offsets)
    scale = 1 / math.sqrt(h) if scale is None else scale
    y, lse = np.zeros((b, t, n, v.shape[3]), q.dtype), np.zeros((b, n, t, 1), q.dtype)
    cache = TiledAttentionCache(
        q, k, v, mask, bias, sink, first, last, scale, softcap, tile, y, lse
    )
    scaled = q * scale
    for rows in _rows(cache):
        m = np.full((b, n, rows.stop - rows.start, 1), -np.inf, q.dtype)
        total = np.zeros_like(m)
        if sink is not None:
            m[:], total[:] = sink[:, None, None], 1
        for part in _tiles(rows, cache):
            scores, _ = _scores(part, scaled, cache)
            highest = np.maximum(m, scores.max(axis=-1, keepdims=True))
            shift = np.where(highest == -np.inf, 0, highest)
            scores -= shift
            p = np.exp(scores, out=scores)
            stretch = np.exp(m - shift)
            total = total * stretch + p.sum(axis=-1, keepdims=True)
            y[:, rows] *= swap(stretch)
            y[:, rows] += over_columns(p, v[:, part.columns], part.seen)
            m = highest
        y[:, rows] /= swap(np.where(total == 0, 1, total))
        lse[:, :, rows] = np.where(m == -np.inf, -np.inf, m + np.log(total))
    return y, cache


@op
def tiled_attention_backward(dy: Array, cache: TiledAttentionCache) -> tuple[Array, ...]:
    """dy (B, T, N, Hv) -> dq (B, T, N, H), dk (B, S, G, H), dv (B, S, G, Hv).

    After these dbias, of the bias's shape, where there was one, and dsink (N,) likewise.
    """
    q, k, v, _, bias, sink = cache[:6]
    groups = k.shape[2]
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    dbias = None if bias is None else np.zeros_like(bias)
    D = swap(np.vecdot(dy, cache.y)[..., None])  # (B, N, T, 1)
    lse = np.where(cache.lse == -np.inf, 0, cache.lse)
    scaled = q * cache.scale  # for dk; dq is scaled in the end
    for rows in _rows(cache):
        for part in _tiles(rows, cache):
            columns, seen = part.columns, part.seen
            scores, slope = _scores(part, scaled, cache)
            scores -= lse[:, :, rows]
            p = np.exp(scores, out=scores)
            dv[:, columns] += over_rows(p, dy[:, rows], seen, groups)
            ds = scores_of(dy[:, rows], v[:, columns])  # dp, until the next lines made it ds
            ds -= D[:, :, rows]
            ds *= p
            if seen is not None:
                np.copyto(ds, 0, where=~seen)
            if dbias is not None:
                of_part = part.of(dbias)
                of_part += sum_to(ds, of_part.shape)
            if slope is not None:
                ds = np.where(p == 0, 0, ds * slope)
            dq[:, rows] += over_columns(ds, k[:, columns], seen)
            dk[:, columns] += over_rows(ds, scaled[:, rows], seen, groups)
    dq *= cache.scale
    found = [dq, dk, dv] + ([] if dbias is None else [dbias])
    if sink is not None:
        dsink = -np.exp(sink[:, None, None] - lse) * D
        found.append(sum_to(dsink, (len(sink), 1, 1)).reshape(-1))
    return tuple(found)


def merged(y: Array, lse: Array, other_y: Array, other_lse: Array) -> tuple[Array, Array]:
    """Attention to two sets of keys -> attention to both: y (B, T, N, Hv), lse (B, N, T, 1).

    In whatever order, and any number of sets one after another. A sink belongs to one of them.
    """
    with np.errstate(all="ignore"):
        both = np.logaddexp(lse, other_lse)
        shift = np.where(both == -np.inf, 0, both)
        return swap(np.exp(lse - shift)) * y + swap(np.exp(other_lse - shift)) * other_y, both


def _rows(cache: TiledAttentionCache) -> Iterator[slice]:
    """The rows of tiles, from the first query on."""
    t, tile = cache.q.shape[1], cache.tile
    return (slice(row, min(row + tile, t)) for row in range(0, t, tile))


def _tiles(rows: slice, cache: TiledAttentionCache) -> Iterator[Tile]:
    """The tiles of these rows in which anything is seen."""
    return tiles(rows, cache.first, cache.last, cache.mask, cache.k.shape[1], cache.tile)


def _scores(part: Tile, scaled: Array, cache: TiledAttentionCache) -> tuple[Array, Array | None]:
    """A tile's scores (B, N, i, j), -inf where hidden, and the softcap's slope if there is one.

    ``scaled`` is scale * q (B, T, N, H).
    """
    slope = None
    scores = scores_of(scaled[:, part.rows], cache.k[:, part.columns])
    if cache.softcap is not None:
        scores, slope = capped(scores, cache.softcap)
    if cache.bias is not None:
        scores += part.of(cache.bias)
    if part.seen is not None:
        np.copyto(scores, -np.inf, where=~part.seen)
    return scores, slope
