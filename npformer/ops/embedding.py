r"""Embedding: rows of a table, looked up by id.

Shapes      ids : (...) integers in [0, V)    weight : (V, D)    y : (..., D)

Forward     y_r = weight[ids_r]                        r runs over all positions

            This is the linear map y = onehot weight, onehot_rv = 1 if ids_r = v else 0,
            without the zeros.

Backward    The linear map's gradient, dweight = onehot^T dy, without the zeros:

                dweight_v = sum of dy_r over the positions r with ids_r = v
                dweight_v = 0                          for v = padding_idx

Reading     A word that occurs five times gets the sum of five gradients; ``dweight[ids] += dy``
            would keep one of them. A word that does not occur gets zero. Sorting brings the
            equal ids together; each run of them is then summed in double precision, which is
            faster than ``np.add.at`` and loses nothing when one word fills the batch.
            PyTorch's padding_idx, kept here, stops the gradient of one row, even one of NaN,
            and changes nothing in the forward.

Chapter     walkthroughs/05_embeddings_positions.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npformer.ops.array import Array, rows
from npformer.ops.checks import check_ids
from npformer.seam import op


class EmbeddingCache(NamedTuple):
    ids: Array  # (...)
    entries: int  # V
    padding_idx: int | None


@op
def embedding_forward(
    ids: Array, weight: Array, *, padding_idx: int | None = None
) -> tuple[Array, EmbeddingCache]:
    """ids (...), weight (V, D) -> y (..., D), cache.

    Raises ``IndexError`` for an id outside [0, V), ``ShapeError`` for ids that are not integers.
    """
    check_ids(ids, len(weight), "token id")
    return weight[ids], EmbeddingCache(ids, len(weight), padding_idx)


@op
def embedding_backward(dy: Array, cache: EmbeddingCache) -> Array:
    """dy (..., D) -> dweight (V, D)."""
    ids, entries, padding_idx = cache
    width = dy.shape[-1]
    dweight = np.zeros((entries, width), dy.dtype)
    if ids.size:
        order = np.argsort(ids, axis=None, kind="stable")  # (R,)
        sorted_ids = ids.reshape(-1)[order].astype(np.intp)
        starts = np.flatnonzero(np.diff(sorted_ids, prepend=-1))  # where each run begins
        wide = np.result_type(dy, np.float64)
        sums = np.add.reduceat(rows(dy)[order], starts, axis=0, dtype=wide)
        dweight[sorted_ids[starts]] = sums
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return dweight
