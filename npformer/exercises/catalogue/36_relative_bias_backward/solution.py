"""Exercise 36: the backward of T5's relative bias."""

import math

import numpy as np


def buckets_of(t, s, entries, bidirectional, max_distance, at):
    """(t, s): the bucket of each query and key; the first query is at ``at``, or at s - t."""
    first = s - t if at is None else at
    relative = np.arange(s) - (first + np.arange(t))[:, None]
    one_way = entries // 2 if bidirectional else entries
    exact = one_way // 2
    distance = np.abs(relative) if bidirectional else np.maximum(-relative, 0)
    ratio = np.log(np.maximum(distance, 1) / exact) / math.log(max_distance / exact)
    far = np.minimum(exact + np.floor((one_way - exact) * ratio), one_way - 1).astype(int)
    found = np.where(distance < exact, distance, far)
    return found + one_way * (relative > 0) if bidirectional else found


def relative_bias_forward(weight, t, s, bidirectional=True, max_distance=128, at=None):
    """weight (K, N) -> y (N, t, s), cache."""
    buckets = buckets_of(t, s, len(weight), bidirectional, max_distance, at)
    return weight[buckets].transpose(2, 0, 1), (buckets, len(weight))


def relative_bias_backward(dy, cache):
    """dy (N, t, s) -> dweight (K, N)."""
    buckets, entries = cache
    dweight = np.zeros((entries, len(dy)))
    # Buckets repeat: add.at adds what arrives at each place, one by one. Heads go last.
    np.add.at(dweight, buckets, dy.transpose(1, 2, 0))
    return dweight
