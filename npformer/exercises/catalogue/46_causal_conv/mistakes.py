"""Wrong ways to write this exercise: those on the op's card by name, and wrong forwards."""

import numpy as np

from npformer.cards.ops.causal_conv1d import card
from npformer.ops.causal_conv1d import causal_conv1d_backward, causal_conv1d_forward


def _pair(forward, backward):
    return {"causal_conv_forward": forward, "causal_conv_backward": backward}


def _backward(dy, cache):
    return causal_conv1d_backward(dy, cache)[:2]


def _newest_first(x, weight):
    return causal_conv1d_forward(x, weight[:, ::-1])


def _turned(dy, cache):
    dx, dweight = _backward(dy, cache)
    return dx, dweight[:, ::-1]


def _mean(dy, cache):
    dx, dweight = _backward(dy, cache)
    return dx, dweight / max(dy.shape[0] * dy.shape[1], 1)


def _one_too_far(x, weight):
    y, cache = causal_conv1d_forward(x, weight)
    late = np.zeros_like(y)
    late[:, 1:] = y[:, :-1]
    return late, cache


def _on_card(name):
    """A backward of the op's card, without the bias's gradient."""
    (mutant,) = (m for m in card.mutants if m.name == f"causal_conv1d/{name}")
    return _pair(causal_conv1d_forward, lambda dy, cache: mutant.function(dy, cache)[:2])


ON_CARD = [
    ("dx meets the weights in the order of the forward; seen from a position, it is the reverse",
     "weight-not-turned"),
    ("dx looks back, as y does; it must look ahead", "looks-back-again"),
    ("what runs out at the end of a sentence comes in at its start", "wrapped-round"),
    ("dx has the term of the position itself alone", "own-position-only"),
    ("dweight is in the reverse order", "weights-in-reverse"),
    ("dweight is summed over the channels, of which each has its own",
     "weight-shared-by-channels"),
    ("dweight is that of the last sentence alone", "weight-of-the-last-sentence"),
]  # fmt: skip
OTHERS = [
    ("the first weight meets the position itself; it must be the last one",
     _pair(_newest_first, lambda dy, cache: _turned(dy, cache))),
    ("the first weight meets the position itself in y, and the last one in the backward",
     _pair(lambda x, weight: (_newest_first(x, weight)[0], causal_conv1d_forward(x, weight)[1]),
           _backward)),
    ("dweight is averaged over the positions", _pair(causal_conv1d_forward, _mean)),
    ("y is one position late: no weight meets the position itself",
     _pair(_one_too_far, _backward)),
]  # fmt: skip
MISTAKES = [*((sentence, _on_card(name)) for sentence, name in ON_CARD), *OTHERS]
