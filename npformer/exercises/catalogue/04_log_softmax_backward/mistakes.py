"""Wrong ways to write this exercise, beyond those of the catalogue of mutants."""

import numpy as np

from npformer.ops import log_softmax_forward


def _one_sum_for_all(dy, y):
    return dy - np.exp(y) * dy.sum()


def _over_rows(dy, y):
    return dy - np.exp(y) * dy.sum(axis=0, keepdims=True)


def _diagonal(dy, y):
    return dy * (1 - np.exp(y))


def _divided_by_p(dy, y):
    return dy * np.exp(-y)


def _sum_of_dy_p(dy, y):
    p = np.exp(y)
    return dy - p * (dy * p).sum(axis=-1, keepdims=True)


def _without_p(dy, y):
    return dy - dy.sum(axis=-1, keepdims=True)


MISTAKES = [
    (sentence, {"log_softmax_forward": lambda x: (log_softmax_forward(x)[0],) * 2,
                "log_softmax_backward": backward})
    for sentence, backward in (
        ("one sum of dy is taken over all rows together; each row needs its own", _one_sum_for_all),
        ("the sum of dy runs over the first axis instead of the last", _over_rows),
        ("the sum is of dy p, as in softmax, where that of dy belongs", _sum_of_dy_p),
        ("the sum of dy lacks its factor p", _without_p),
        ("the off-diagonal terms are dropped: dy (1 - p)", _diagonal),
        ("only the logarithm is differentiated: dy / p is what would reach the softmax",
         _divided_by_p),
    )
]  # fmt: skip
