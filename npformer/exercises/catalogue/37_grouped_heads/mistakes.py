"""Wrong ways to write this exercise."""

import numpy as np


def _backward(of_k, of_v=None, heads=None, scaled=True):
    """The backward with other reductions of (B, S, N, H) to (B, S, G, H)."""

    def backward(dy, cache):
        q, k, v, probs = cache
        n, groups = q.shape[2], k.shape[2]
        read = np.repeat(np.arange(groups), n // groups) if heads is None else heads(n, groups)
        k_all, v_all = k[:, :, read], v[:, :, read]
        dprobs = np.einsum("btnh,bsnh->bnts", dy, v_all)
        dscores = probs * (dprobs - (probs * dprobs).sum(axis=-1, keepdims=True))
        dscores = dscores / (np.sqrt(q.shape[3]) if scaled else 1)
        dk = of_k(np.einsum("bnts,btnh->bsnh", dscores, q), groups)
        dv = (of_v or of_k)(np.einsum("bnts,btnh->bsnh", probs, dy), groups)
        return np.einsum("bnts,bsnh->btnh", dscores, k_all), dk, dv

    return {"grouped_attention_backward": backward}


def _split(x, groups):
    b, s, n, h = x.shape
    return x.reshape(b, s, groups, n // groups, h)


def _sum(x, groups):
    return _split(x, groups).sum(axis=3)


def _turned(x, groups):
    b, s, n, h = x.shape
    return x.reshape(b, s, n // groups, groups, h).sum(axis=2)


MISTAKES = [
    ("of each group's heads the first alone reaches dk and dv; every head of the group reads them",
     _backward(lambda x, g: _split(x, g)[:, :, :, 0])),
    ("of each group's heads the last alone reaches dk and dv: the others were overwritten",
     _backward(lambda x, g: _split(x, g)[:, :, :, -1])),
    ("dk and dv are averaged over the heads of a group; they are summed",
     _backward(lambda x, g: _split(x, g).mean(axis=3))),
    ("dk and dv of head n are given to group n mod G; the forward read group n // (N / G)",
     _backward(_turned)),
    ("dk is summed over the heads of a group and dv is not",
     _backward(_sum, lambda x, g: _split(x, g)[:, :, :, 0])),
    ("the backward lets head n read group n mod G; the forward read group n // (N / G)",
     _backward(_sum, heads=lambda n, g: np.arange(n) % g)),
    ("the scale 1 / sqrt(H) is missing from dq and dk", _backward(_sum, scaled=False)),
]  # fmt: skip
