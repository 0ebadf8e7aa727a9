"""Wrong ways to write this exercise."""

import numpy as np


def _backward(dsink, mean=lambda p, dp, share: (p * dp).sum(axis=-1, keepdims=True)):
    """The backward with another dsink(share, mean), or another mean."""

    def backward(dprobs, cache):
        probs, share = cache
        m = mean(probs, dprobs, share)
        return probs * (dprobs - m), dsink(share, m)

    return {"sink_softmax_backward": backward}


def _right(share, mean):
    return -(share * mean).sum(axis=(0, 2, 3))


MISTAKES = [
    ("dsink has the wrong sign: a sink that grows takes from every key",
     _backward(lambda share, m: -_right(share, m))),
    ("dsink lacks the sink's own share as a factor", _backward(lambda share, m: -m.sum((0, 2, 3)))),
    ("dsink has a factor 1 - share too, as if the sink had a value of its own",
     _backward(lambda share, m: _right(share * (1 - share), m))),
    ("dsink is averaged over the rows; it is a sum",
     _backward(lambda share, m: -(share * m).mean(axis=(0, 2, 3)))),
    ("the sink gets no gradient", _backward(lambda share, m: np.zeros(share.shape[1]))),
    ("dsink is the first sentence's; every sentence of the batch uses the same sink",
     _backward(lambda share, m: _right(share[:1], m[:1]))),
    ("the mean is divided by the sum of the weights; it is a plain sum, the sink's part of it 0",
     _backward(_right, lambda p, dp, share: (p * dp).sum(-1, keepdims=True)
               / p.sum(-1, keepdims=True))),
    ("the softmax's mean is left out", _backward(
        lambda share, m: np.zeros(share.shape[1]), lambda p, dp, share: 0 * share)),
]  # fmt: skip
