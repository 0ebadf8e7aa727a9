"""The registered dropout. A mask drawn anew is told by what it looks like: it repeats nowhere."""

import numpy as np

from npformer.exercises.grading import against_component

SHAPE = (40, 50)
P = 0.25


def grade(submission, cases, seed):
    outcome = against_component(
        submission, "dropout", "backward", cases=cases, seed=seed, mistakes=MISTAKES
    )
    if outcome.kind == "wrong" and _fresh(submission):
        return outcome.with_(
            diagnosis="this is what you get when the backward draws a mask of its own; it must use "
            "the mask of the forward"
        )
    return outcome


def _fresh(submission):
    """Whether entries are dropped, about p of them, and not those that the forward dropped."""
    ones = np.ones(SHAPE)
    try:
        y, cache = submission.dropout_forward(ones, P, np.random.default_rng(0))
        dropped = np.asarray(submission.dropout_backward(ones, cache)) == 0
    except Exception:
        return False
    if dropped.shape != SHAPE or (dropped == (y == 0)).all() or (dropped == (y != 0)).all():
        return False
    return bool(abs(dropped.mean() - P) < 0.05)


def _scaled_twice(dy, cache):
    keep, scale = cache
    return dy if keep is None else dy * keep * scale**2


def _divided(dy, cache):
    keep, scale = cache
    return dy if keep is None else dy * keep / scale


MISTAKES = [
    ("the gradient is scaled twice by 1 / (1 - p)", {"dropout_backward": _scaled_twice}),
    ("the gradient is divided by the scale; it is multiplied, as x was",
     {"dropout_backward": _divided}),
]  # fmt: skip
