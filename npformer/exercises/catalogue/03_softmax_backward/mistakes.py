"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""


def _one_sum_for_all(dy, cache):
    (y,) = cache
    return y * (dy - (dy * y).sum())


def _over_rows(dy, cache):
    (y,) = cache
    return y * (dy - (dy * y).sum(axis=0, keepdims=True))


def _plus(dy, cache):
    (y,) = cache
    return y * (dy + (dy * y).sum(axis=-1, keepdims=True))


MISTAKES = [
    ("one sum is taken over all rows together; each row needs its own",
     {"softmax_backward": _one_sum_for_all}),
    ("the sum of dy y runs over the first axis instead of the last",
     {"softmax_backward": _over_rows}),
    ("the sum of dy y is added where it should be subtracted", {"softmax_backward": _plus}),
]  # fmt: skip
