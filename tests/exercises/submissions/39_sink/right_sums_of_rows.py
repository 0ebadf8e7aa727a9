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
    """A number added to all scores of a row and to the sink changes nothing: the rest is dsink."""
    probs, share = cache
    da = probs * (dprobs - np.einsum("bnts,bnts->bnt", probs, dprobs)[..., None])
    return da, -da.sum(axis=(0, 2, 3))
