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
    """The softmax's backward over S + 1 keys."""
    probs = np.concatenate(cache, axis=-1)
    dprobs = np.concatenate([dprobs, np.zeros((*dprobs.shape[:3], 1))], axis=-1)
    da = probs * dprobs - probs * (probs * dprobs).sum(axis=-1, keepdims=True)
    return da[..., :-1], da[..., -1].sum(axis=(0, 2))
