"""Masks for attention: boolean, True = may attend, made to broadcast to (B, N, T, S).

Chapter     walkthroughs/06_attention.md
"""

from __future__ import annotations

import numpy as np

from npformer.errors import ShapeError
from npformer.ops.array import Array
from npformer.ops.checks import check_window


def padding_mask(ids: Array, padding_id: int) -> Array:
    """ids (B, S) -> (B, 1, 1, S): every query may attend to every key that is not padding."""
    return (ids != padding_id)[:, None, None, :]


def causal_mask(t: int, s: int | None = None) -> Array:
    """(t, s), or (t, t): the last query sees every key, each one before it a key less.

    With as many keys as queries, query i sees the keys 0 ... i. Where there are more, the first
    s - t are those of a cache, which every query sees; where there are fewer, the first t - s
    queries see none.
    """
    s = t if s is None else s
    return np.tri(t, s, s - t, dtype=bool)


def window_mask(t: int, s: int, window: int, *, causal: bool = True) -> Array:
    """(t, s): a query sees the ``window`` keys up to its own position, and without ``causal`` as
    many on either side, its own among both.

    Positions are aligned at the end, as in ``causal_mask``: the last query is where the last key
    is. Raises ``ConfigError`` for a window below 1.
    """
    check_window(window)
    here = s - t  # query i is at position here + i
    ahead = 0 if causal else window - 1
    return np.tri(t, s, here + ahead, dtype=bool) & ~np.tri(t, s, here - window, dtype=bool)


def packed_mask(offsets: Array, length: int | None = None) -> Array:
    """offsets (D + 1,) -> (T, T): of D documents in one row, each sees itself alone.

    Document d is at the positions ``offsets[d]`` to ``offsets[d + 1]``, the latter not included;
    the first offset is 0. T is the last, or ``length``: what comes after the last document is
    padding, which sees nothing and is not seen. Raises ``ShapeError`` for other offsets.
    """
    offsets = np.asarray(offsets)
    length = int(offsets[-1]) if length is None else length
    check_offsets(offsets, length)
    document = np.searchsorted(offsets, np.arange(length), side="right")  # (T,), from 1 on
    same = document[:, None] == document
    return same & (document < len(offsets))


def documents_mask(documents: Array) -> Array:
    """documents (B, T) -> (B, 1, T, T): a token sees its own text, padding nothing.

    Equal numbers are one text, 0 is padding, see ``check_documents``.
    """
    same = documents[:, :, None] == documents[:, None, :]
    return (same & (documents != 0)[:, None, :])[:, None]


def document_positions(documents: Array) -> Array:
    """documents (B, T) -> (B, T): where each token is in its own text, from 0; of padding 0."""
    place = np.arange(documents.shape[1])
    begins = np.ones(documents.shape, bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    return np.where(documents == 0, 0, place - first)


def padded_positions(ids: Array, padding_id: int) -> int | Array:
    """ids (B, T) -> (B, T): where each token is in its text; padding on its left is at 0.

    Where no text has any, 0: all begin with the first column.
    """
    shown = ids != padding_id
    if not ids.shape[1] or shown[:, 0].all():
        return 0
    return np.maximum(np.logical_or.accumulate(shown, axis=1).cumsum(axis=1) - 1, 0)


def first_tokens(counts: Array, at: Array | None = None) -> Array:
    """counts (B, T) -> (B, T): the text of each token that counts, -1 of one that does not.

    A text goes by the place of its first token among all B T. ``at`` (B, T) are the positions in
    the texts, where a row has several; else a row is one.
    """
    place = np.arange(counts.size).reshape(counts.shape)
    within = np.arange(counts.shape[1]) if at is None else at
    return np.where(counts, place - within, -1)


def check_documents(documents: Array, shape: tuple[int, ...]) -> None:
    """Documents of token ids of ``shape``: as many integers, those of one text side by side.

    Raises ``ShapeError`` for others.
    """
    if documents.ndim != 2 or documents.shape != shape or documents.dtype.kind not in "iu":
        raise ShapeError(
            f"documents of dtype {documents.dtype} and shape {documents.shape} for token ids of "
            f"shape {shape}; give each token the number of its text, an integer, or 0 for padding"
        )
    for row, numbers in enumerate(documents):
        begins = np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)]
        texts = numbers[begins & (numbers != 0)]
        again = np.flatnonzero(np.bincount(np.unique(texts, return_inverse=True)[1]) > 1)
        if again.size:
            twice = np.unique(texts)[again[0]]
            raise ShapeError(
                f"row {row} of documents is in text {twice} twice, with others between; the tokens "
                "of a text must lie side by side"
            )


def check_offsets(offsets: Array, length: int) -> None:
    """Offsets of documents in so many positions begin with 0, do not fall, and end within them.

    Raises ``ShapeError`` for others.
    """
    whole = offsets.ndim == 1 and offsets.size and offsets.dtype.kind in "iu"
    if not whole or offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] > length:
        raise ShapeError(
            f"offsets are {offsets.tolist()}; they must be integers that begin with 0, do not "
            f"fall, and end at {length} at most, the number of positions"
        )


def visible(
    t: int, s: int, mask: Array | None, *, causal: bool, window: int | None
) -> Array | None:
    """What t queries see of s keys by all three, or None if that is everything."""
    near = None
    if window is not None:
        near = window_mask(t, s, window, causal=causal)
    elif causal and t > 1:  # a single query, the last, sees every key
        near = causal_mask(t, s)
    if near is None or mask is None:
        return near if mask is None else mask
    return mask & near


def seen_from_to(
    t: int, s: int, *, causal: bool, window: int | None, offsets: Array | None = None
) -> tuple[Array, Array]:
    """first (t,), last (t,): query i sees the keys first[i] to last[i], the latter not included.

    Whatever hides keys by their positions leaves an interval: causal, a window, and documents in
    one row, for which t = s. Where last is not beyond first, a query sees none. Raises
    ``ShapeError`` for offsets that are none, ``ConfigError`` for a window below 1.
    """
    check_window(window)
    here = np.arange(t) + s - t
    first, last = np.zeros(t, int), np.full(t, s)
    if causal:
        last = np.minimum(last, here + 1)
    if window is not None:
        first = np.maximum(first, here - window + 1)
        last = np.minimum(last, here + window)
    if offsets is not None:
        if t != s:
            raise ShapeError(f"there are {t} queries and {s} keys; offsets are for as many of both")
        offsets = np.asarray(offsets)
        check_offsets(offsets, s)
        ends = np.append(offsets, offsets[-1])  # padding comes after the last, and sees nothing
        document = np.searchsorted(offsets, here, side="right")
        first = np.maximum(first, ends[document - 1])
        last = np.minimum(last, ends[document])
    return first, last
