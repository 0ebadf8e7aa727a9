"""Wrong versions of attention in tiles."""

from __future__ import annotations

import numpy as np

from npformer.cards.ops import attention_by_hand as plain
from npformer.cards.ops import tiled_attention_by_hand as right
from npformer.cards.ops.tiled_attention import card
from npformer.cards.ops.tiled_attention_by_hand import backward, forward
from npformer.cards.ordinary import OUTPUT
from npformer.ops.masks import packed_mask
from npformer.ops.tiled_attention import tiled_attention_backward, tiled_attention_forward


def _forward(name, wrong, **steps):
    card.wrong_forward(name, wrong)(forward(**steps))


def _backward(name, wrong, **steps):
    card.wrong_backward(name, wrong)(backward(**steps))


def _updated(change):
    """One tile more, and then ``change(row, old)``, with what was kept before it."""

    def update(row, scores, v, sink):
        old = right.Row(row.m, row.total, row.y)
        right.update(row, scores, v, sink)
        change(row, old, np.exp(old.m - np.where(row.m == -np.inf, 0, row.m)))

    return update


def _y_stays(row, old, stretch):
    row.y = row.y - old.y * stretch + old.y


def _total_stays(row, old, stretch):
    row.total = row.total - old.total * stretch + old.total


def _divided(row, old, stretch):
    row.y = row.y / np.where(row.total == 0, 1, row.total)


_forward("stretch-forgotten", "y is not stretched to the new maximum", update=_updated(_y_stays))
_forward("total-not-stretched", "the sum of exponentials is not stretched to the new maximum",
         update=_updated(_total_stays))  # fmt: skip
_forward("divided-too-early", "y is divided by the sum after every tile, and not only the last",
         update=_updated(_divided), divide=lambda row: row.y)  # fmt: skip
_forward("never-divided", "y is never divided by the sum of exponentials", divide=lambda row: row.y)


def _unguarded(row, scores, v, sink):
    highest = np.maximum(row.m, scores.max(-1, keepdims=True))
    p, stretch = np.exp(scores - highest), np.exp(row.m - highest)
    row.total = row.total * stretch + p.sum(-1, keepdims=True)
    row.y, row.m = row.y * stretch + p @ v, highest


_forward("hidden-tile-first", "where a row's first tile is hidden whole, -inf - -inf makes it NaN",
         update=_unguarded)  # fmt: skip
_forward("last-tile-dropped", "a last tile that is not full is left out",
         parts=lambda s, tile: right.parts(s // tile * tile if s > tile else s, tile))  # fmt: skip


def _finite(scores):
    return np.where(scores == -np.inf, scores.dtype.type(-1e9), scores)


_forward(
    "blind-rows-are-means",
    "-1e9 stands for -inf: rows that see nothing are means of v",
    update=lambda row, scores, v, sink: right.update(row, _finite(scores), v, sink),
)


def _with_sink(row, scores, v, sink):
    right.update(row, scores, v, sink)
    if sink is not None:
        row.total = row.total + np.exp(sink[:, None, None] - row.m)


_forward("sink-in-every-tile", "the sink is counted once a tile", update=_with_sink,
         start=lambda row, sink: None)  # fmt: skip


card.wrong_forward(
    "lse-base-two",
    "lse is a logarithm to the base 2, and read as a natural one",
    seen="pytorch/pytorch#181645",
    smallest="q (1, 1, 1, 1), k (1, 1, 1, 1), v (1, 1, 1, 1)",
    missed_by=OUTPUT,
)(forward(lse=lambda row: right.lse(row) / np.log(2)))
_forward("lse-without-the-maximum", "lse is the logarithm of the sum alone",
         lse=lambda row: np.where(row.m == -np.inf, -np.inf, np.log(row.total)))  # fmt: skip
_forward("lse-without-the-sum", "lse is the maximum alone", lse=lambda row: row.m)


def _whole_tiles(t, s, static):
    """A window that ends where tiles do."""
    tile, window = 2, static["window"]
    if window is None:
        return right.allowed(t, s, static)
    seen = right.allowed(t, s, static)
    blocks = np.zeros_like(seen)
    for part in right.parts(s, tile):
        blocks[..., part] = seen[..., part].any(-1, keepdims=True)
    return blocks


@card.wrong_forward("window-of-tiles", "a tile that a window reaches into is seen whole")
def _in_whole_tiles(
    q, k, v, mask=None, *others, causal=False, window=None, offsets=None, **options
):
    static = {"mask": mask, "causal": causal, "window": window, "offsets": offsets}
    seen = _whole_tiles(q.shape[1], k.shape[1], static)
    return tiled_attention_forward(q, k, v, seen, *others, **options)


@card.wrong_forward("documents-ignored", "documents that share a row see each other")
def _one_document(*arrays, offsets=None, **options):
    return tiled_attention_forward(*arrays, **options)


@card.wrong_forward("document-begins-early", "a document sees the last position of the one before")
def _early(q, k, v, mask=None, *others, offsets=None, **options):
    if offsets is not None:
        seen = packed_mask(offsets, q.shape[1])
        seen = seen | np.pad(seen[:, 1:], ((0, 0), (0, 1)))
        mask = seen if mask is None else mask & seen
    return tiled_attention_forward(q, k, v, mask, *others, **options)


@card.wrong_forward("padding-is-a-document", "what comes after the last document is one more")
def _padding(*arrays, offsets=None, **options):
    if offsets is not None:
        offsets = np.append(offsets, arrays[0].shape[1] if arrays else options["q"].shape[1])
    return tiled_attention_forward(*arrays, offsets=offsets, **options)


_backward("row-sum-missing", "D is left out: ds = p * dp",
          row_sum=lambda dy, y, p, dp: np.zeros((*dy.shape[:3], 1), dy.dtype))  # fmt: skip
_backward("row-sum-of-a-tile", "D is the sum of dp * p over the tile at hand, not over all of them",
          in_tile=lambda D, p, dp: (p * dp).sum(-1, keepdims=True))  # fmt: skip
_backward(
    "row-sum-averaged",
    "D is a mean over the size of a head, not a sum",
    row_sum=lambda dy, y, p, dp: right.row_sum(dy, y, p, dp) / max(y.shape[3], 1),
)
_backward("row-sum-of-dy", "D is the row sum of dy alone",
          row_sum=lambda dy, y, p, dp: dy.sum(-1, keepdims=True))  # fmt: skip
_backward("weights-by-the-maximum", "the weights are exp(scores - m): the sum is not divided out",
          weights=lambda scores, lse: np.exp(scores - np.where(
              (m := scores.max(-1, keepdims=True)) == -np.inf, 0, m)))  # fmt: skip


def _overwrite(total, where, share):
    total[where] = share


_backward(
    "dq-of-the-last-tile", "each tile overwrites what the one before gave dq", add_dq=_overwrite
)
_backward(
    "dk-of-the-last-tile", "each tile overwrites what the one before gave dk", add_dk=_overwrite
)
_backward(
    "dv-of-the-last-tile", "each tile overwrites what the one before gave dv", add_dv=_overwrite
)
_backward("dbias-of-the-last-tile", "each tile overwrites what the one before gave dbias",
          add_dbias=_overwrite)  # fmt: skip
_backward("keys-of-the-last-tile-missing", "the backward leaves out a last tile that is not full",
          parts=lambda s, tile: right.parts(s // tile * tile if s > tile else s, tile))  # fmt: skip
_backward("sink-once-a-tile", "dsink is added once for each tile of keys",
          dsink=lambda sink, lse, D, tiles: tiles * right.dsink(sink, lse, D, tiles))  # fmt: skip


@card.wrong_backward("dk-of-one-head", "of a group's heads the first alone reaches dk")
def _first_head(dy, cache):
    dq, dk, *others = tiled_attention_backward(dy, cache)
    groups, n = cache.k.shape[2], cache.q.shape[2]
    each = n // max(groups, 1)
    if each > 1:
        first = np.arange(n) % each == 0
        q = np.where(first[:, None], cache.q, 0).astype(dy.dtype)
        scores, slope = plain.cap(plain.scores(cache.q, cache.k, cache.scale), cache.softcap)
        scores = plain.hide(plain.add(scores, cache.bias), right._seen(cache))
        p = right.weights(scores, np.where(cache.lse == -np.inf, 0, cache.lse))
        ds, _ = plain.dscores(p, plain.dprobs(dy, cache.v), None)
        dk = plain.dk(plain.uncap(ds, slope), q, groups, cache.scale).astype(dy.dtype)
    return dq, dk, *others


@card.wrong_backward(
    "single-precision", "the gradients are computed silently in float32", beyond_forward=True
)
def _float32(dy, cache):
    arrays = {n: a for n, a in cache._asdict().items()
              if isinstance(a, np.ndarray) and a.dtype.kind == "f"}  # fmt: skip
    narrow = cache._replace(**{n: a.astype(np.float32) for n, a in arrays.items()})
    wrong = tiled_attention_backward(dy.astype(np.float32), narrow)
    return tuple(gradient.astype(dy.dtype) for gradient in wrong)
