"""Wrong ways to write this exercise."""

import numpy as np


def expert_choice_forward(scores, h):
    """scores (T, E), h (T, E, D) -> y (T, D), cache."""
    tokens = len(scores)
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    fit = p - 0.01 * np.arange(tokens)[:, None]  # of tokens that fit alike, the earlier one
    best = np.argsort(-fit, axis=0)[: (tokens + 1) // 2]  # of each expert
    taken = np.zeros(p.shape, bool)
    np.put_along_axis(taken, best, True, axis=0)
    y = ((taken * p)[:, :, None] * h).sum(axis=1)
    return y, (p, taken, h)


def _wrong(
    of_h=lambda p, taken: taken * p,
    of_p=lambda dp, taken: taken * dp,
    back=lambda p, dp, taken: p * (dp - (dp * p).sum(axis=1, keepdims=True)),
):
    """The pair with one step changed."""

    def backward(dy, cache):
        p, taken, h = cache
        dh = of_h(p, taken)[:, :, None] * dy[:, None]
        dp = of_p((dy[:, None] * h).sum(axis=2), taken)
        return back(p, dp, taken), dh

    return {"expert_choice_forward": expert_choice_forward, "expert_choice_backward": backward}


def _share(p, taken):
    chosen = taken * p
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1e-300)


MISTAKES = [
    ("experts that did not take a token learn from it", _wrong(of_h=lambda p, taken: p)),
    ("probabilities of experts that did not take the token get a gradient",
     _wrong(of_p=lambda dp, taken: dp)),
    ("the softmax's backward goes down the columns, where the choice was; its sum is a row's",
     _wrong(back=lambda p, dp, taken: p * (dp - (dp * p).sum(axis=0, keepdims=True)))),
    ("experts that did not take the token get no gradient through the softmax's denominator",
     _wrong(back=lambda p, dp, taken: taken * p * (dp - (dp * p).sum(axis=1, keepdims=True)))),
    ("the softmax's backward lacks its sum", _wrong(back=lambda p, dp, taken: p * dp)),
    ("an expert gets the whole of dy; it is its weight of it",
     _wrong(of_h=lambda p, taken: taken * 1.0)),
    ("the weights are divided by their sum, as where tokens choose", _wrong(of_h=_share)),
]  # fmt: skip
