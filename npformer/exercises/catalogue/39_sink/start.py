"""Exercise 39: a softmax with a sink.

    scores (B, N, T, S)    sink (N,)    probs (B, N, T, S)

The forward is given. Write sink_softmax_backward, then:

    npformer exercise check sink
    npformer exercise hint sink
"""

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
    raise NotImplementedError("return dscores, dsink")
