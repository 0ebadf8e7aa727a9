"""Wrong ways to write this exercise: those on the op's card by name, and another."""

from npformer.ops.relative_bias import relative_bias_backward, relative_bias_forward

ON_CARD = [
    ("dweight[buckets] += dy: of the places of a bucket, one counts", "repeats-lost"),
    ("a bucket gets the mean over its places, where it should get their sum", "mean-for-sum"),
    ("every bucket gets the same share of dy", "spread-evenly"),
    ("only the last query reaches the weight", "last-query"),
    ("every head gets the sum over all heads", "heads-summed"),
]


def _doubled(dy, cache):
    return 2 * relative_bias_backward(dy, cache)


MISTAKES = [
    *((sentence, f"relative_bias/{name}") for sentence, name in ON_CARD),
    (
        "each place is counted twice",
        {"relative_bias_forward": relative_bias_forward, "relative_bias_backward": _doubled},
    ),
]
