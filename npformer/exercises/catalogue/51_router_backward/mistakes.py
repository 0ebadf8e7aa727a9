"""Wrong ways to write this exercise, for the diagnosis."""

import numpy as np


def router_forward(scores, k=2, normalize=True):
    """scores (B, E) -> y (B, k), cache."""
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p = p / p.sum(axis=-1, keepdims=True)
    chosen = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    g = np.take_along_axis(p, chosen, axis=-1)
    total = g.sum(axis=-1, keepdims=True) if normalize else None
    y = g if total is None else g / total
    return y, (p, chosen, y, total)


def _wrong(dg=None, last=None, at=None):
    """The pair with other steps: dg(dy, y, total), the chosen, last(p, dp, chosen)."""

    def backward(dy, cache):
        p, chosen, y, total = cache
        mean = (dy * y).sum(axis=-1, keepdims=True)
        right = dy if total is None else (dy - mean) / total
        dp = np.zeros_like(p)
        where = chosen if at is None else at(chosen)
        np.put_along_axis(dp, where, right if dg is None else dg(dy, y, total), axis=-1)
        if last is not None:
            return last(p, dp, chosen)
        return p * (dp - (dp * p).sum(axis=-1, keepdims=True))

    return {"router_forward": router_forward, "router_backward": backward}


def _chosen_alone(p, dp, chosen):
    mask = np.zeros_like(p)
    np.put_along_axis(mask, chosen, 1.0, axis=-1)
    return mask * p * (dp - (dp * p).sum(axis=-1, keepdims=True))


MISTAKES = [
    ("the sum that the chosen are divided by is held constant",
     _wrong(dg=lambda dy, y, total: dy if total is None else dy / total)),
    ("the division by the sum is left out of the gradient",
     _wrong(dg=lambda dy, y, total: dy if total is None
            else dy - (dy * y).sum(axis=-1, keepdims=True))),
    ("experts that were not chosen get no gradient through the softmax's denominator",
     _wrong(last=_chosen_alone)),
    ("the softmax's backward lacks its sum", _wrong(last=lambda p, dp, chosen: p * dp)),
    ("the softmax's backward is left out", _wrong(last=lambda p, dp, chosen: dp)),
    ("the gradients stand at the first k experts, not at the chosen ones",
     _wrong(at=lambda chosen: np.broadcast_to(np.arange(chosen.shape[1]), chosen.shape))),
]  # fmt: skip
