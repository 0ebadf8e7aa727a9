r"""T5's relative bias (Raffel et al., 2020, arXiv:1910.10683): a learned score for each distance.

Shapes      weight : (K, N)    y : (N, T, S)    buckets : (T + S - 1,)

Forward     y_nij = weight[b(j - p_i), n]        p_i = at + i, query i's position among the keys

            is added to the scores of head n. Bucket b holds the keys of some distances: the
            nearest have one each, and the farther a key the wider its bucket. Of K' buckets for
            one direction, with d the distance and E = floor(K' / 2), it is number

                d                                                          d < E
                E + floor((K' - E) log(d / E) / log(max_distance / E))     else, at most K' - 1

            A bidirectional bias has K' = K / 2 buckets for keys at or before the query, and as
            many after them for the keys that follow it; another has K' = K, and treats keys that
            follow as d = 0, for a causal mask hides them.

Backward    A number of weight is read wherever its bucket is, so its gradient is the sum of what
            arrives there:

                dweight_kn = sum over i, j with b(j - p_i) = k of dy_nij

            which is summed over each of the T + S - 1 distances first, and then over those of a
            bucket. The distances are integers: they have no gradient.

Reading     An embedding (embedding.py) whose ids are distances: T S look-ups in K rows. Since they
            repeat, dweight[buckets] += dy would keep one of them.

Chapter     walkthroughs/16_positions_that_rotate.md
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.seam import op


class RelativeBiasCache(NamedTuple):
    buckets: Array  # (T + S - 1,), of the last query's first key to the first query's last
    entries: int  # K


@op
def relative_bias_forward(
    weight: Array,
    *,
    t: int,
    s: int,
    bidirectional: bool = True,
    max_distance: int = 128,
    at: int | None = None,
) -> tuple[Array, RelativeBiasCache]:
    """weight (K, N) -> y (N, T, S), cache.

    ``at`` is the first query's position, s - t by default. Raises ConfigError as
    ``relative_buckets`` does.
    """
    distances = np.arange(max(t + s - 1, 0)) - (s - 1 if at is None else at + t - 1)
    buckets = relative_buckets(distances, len(weight), bidirectional, max_distance)
    row = weight.T[:, buckets]  # (N, T + S - 1)
    y = np.empty((weight.shape[1], t, s), weight.dtype)
    for i in range(t):
        y[:, i] = row[:, t - 1 - i : t - 1 - i + s]
    return y, RelativeBiasCache(buckets, len(weight))


@op
def relative_bias_backward(dy: Array, cache: RelativeBiasCache) -> Array:
    """dy (N, T, S) -> dweight (K, N)."""
    n, t, s = dy.shape
    wide = np.result_type(dy, np.float64)  # a bucket may have very many places
    drow = np.zeros((n, len(cache.buckets)), wide)  # (N, T + S - 1)
    for i in range(t):
        drow[:, t - 1 - i : t - 1 - i + s] += dy[:, i]
    dweight = np.zeros((cache.entries, n), wide)
    np.add.at(dweight, cache.buckets, drow.T)
    return dweight.astype(dy.dtype)


def relative_buckets(
    relative: Array, count: int, bidirectional: bool = True, max_distance: int = 128
) -> Array:
    """Positions of keys after queries (...), integers -> the bucket of each (...).

    Raises ConfigError for too few buckets, an odd number of them for two directions, and a
    ``max_distance`` within the buckets that hold one distance each.
    """
    one_way = count // 2 if bidirectional else count
    exact = one_way // 2
    if exact < 1 or (bidirectional and count % 2):
        least = "an even number, 4 or more" if bidirectional else "2 or more"
        raise ConfigError(f"there are {count} buckets; there must be {least}")
    if max_distance <= exact:
        raise ConfigError(
            f"max_distance is {max_distance}; it must be above {exact}, for nearer keys have a "
            f"bucket each"
        )
    distance = np.abs(relative) if bidirectional else np.maximum(-relative, 0)
    ratio = np.log(np.maximum(distance, 1) / exact) / math.log(max_distance / exact)
    far = exact + np.floor((one_way - exact) * ratio).astype(np.int64)
    buckets = np.where(distance < exact, distance, np.minimum(far, one_way - 1))
    return buckets + one_way * (relative > 0) if bidirectional else buckets
