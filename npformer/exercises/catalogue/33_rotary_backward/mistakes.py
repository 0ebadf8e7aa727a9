"""Wrong ways to write this exercise: those on the op's card by name, and others."""

from npformer.ops.rotary import rotary_backward, rotary_forward

ON_CARD = [
    ("the gradient is turned forward, as x was: the sine has its sign of the forward",
     "not-turned-back"),
    ("the gradient is handed on as it is, without a turn", "passed-through"),
    ("the second column is made from the first one's result: dx was written where dy is read",
     "overwritten"),
    ("the inverse turn stands where the transpose belongs: they differ where the tables carry a "
     "factor", "divided-by-the-factor"),
    ("the other layout's columns are paired", "other-layout"),
    ("columns past the rotary width get no gradient; they were copied", "rest-forgotten"),
]  # fmt: skip


def _cosine_alone(dy, cache):
    return rotary_backward(dy, cache._replace(sin=0 * cache.sin))


def _sine_alone(dy, cache):
    return rotary_backward(dy, cache._replace(cos=0 * cache.cos))


def _swapped(dy, cache):
    return rotary_backward(dy, cache._replace(cos=cache.sin, sin=cache.cos))


MISTAKES = [
    *((sentence, f"rotary/{name}") for sentence, name in ON_CARD),
    *(
        (sentence, {"rotary_forward": rotary_forward, "rotary_backward": backward})
        for sentence, backward in (
            ("a column gets the share of its own output alone, without its partner's",
             _cosine_alone),
            ("a column gets its partner's share alone, without that of its own output",
             _sine_alone),
            ("cosine and sine have changed places", _swapped),
        )
    ),
]  # fmt: skip
