"""Wrong ways to write this exercise: those on the op's card by name, and others."""

from npformer.ops.alibi import AlibiCache, alibi_backward, alibi_forward, relative_positions

ON_CARD = [
    ("the sign is turned about in the forward: far keys are raised, where they should be lowered",
     "farther-is-better"),
    ("the distance lacks its absolute value: keys that follow are raised", "one-way"),
    ("the first query is taken to be at 0: with fewer queries than keys the last ones belong "
     "together", "from-the-start"),
    ("positions are off by one: a key at the query's own position is at distance 0", "off-by-one"),
    ("dslopes is the mean over queries and keys, where it should be the sum", "mean-for-sum"),
    ("dslopes lacks the minus of the bias", "minus-forgotten"),
    ("dslopes lacks the distances", "distance-forgotten"),
    ("only the last query reaches the slopes", "last-query"),
]  # fmt: skip


def _signs(slopes, t, s, at=None):
    y, cache = alibi_forward(slopes, t=t, s=s, at=at)
    return -y, AlibiCache(-cache.distance)


def _at_ignored(slopes, t, s, at=None):
    return alibi_forward(slopes, t=t, s=s)


def _squared(slopes, t, s, at=None):
    distance = relative_positions(t, s, at).astype(slopes.dtype) ** 2
    return -slopes[:, None, None] * distance, AlibiCache(distance)


MISTAKES = [
    *((sentence, f"alibi/{name}") for sentence, name in ON_CARD),
    *(
        (sentence, {"alibi_forward": forward, "alibi_backward": alibi_backward})
        for sentence, forward in (
            ("the sign is turned about: far keys are raised, where they should be lowered", _signs),
            ("the argument at is ignored: the last query is always the last key", _at_ignored),
            ("the distance is squared", _squared),
        )
    ),
]
