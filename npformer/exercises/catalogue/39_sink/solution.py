"""Exercise 39: a softmax with a sink."""

import numpy as np


def sink_softmax_forward(scores, sink):
    """scores (B, N, T, S), sink (N,) -> probs (B, N, T, S), cache."""
    last = sink[:, None, None]  # (N, 1, 1), the score of a key that has no value
    highest = np.maximum(scores.max(axis=-1, keepdims=True), last)
    e, e_sink = np.exp(scores - highest), np.exp(last - highest)
    total = e.sum(axis=-1, keepdims=True) + e_sink
    probs = e / total
    cache = (probs, e_sink / total)  # the sink's share is (B, N, T, 1)
    return probs, cache


def sink_softmax_backward(dprobs, cache):
    """dprobs (B, N, T, S) -> dscores (B, N, T, S), dsink (N,)."""
    probs, share = cache
    # Of S + 1 keys the last has no value, so its share has the upstream gradient 0.
    mean = (probs * dprobs).sum(axis=-1, keepdims=True)  # (B, N, T, 1)
    dscores = probs * (dprobs - mean)
    dsink = -(share * mean).sum(axis=(0, 2, 3))  # every row of a head uses its sink
    return dscores, dsink
