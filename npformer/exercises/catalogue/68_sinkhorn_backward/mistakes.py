"""Wrong ways to write this exercise: those on the op's card by name, and another."""

import numpy as np


def sinkhorn_forward(logits, *, iterations=20):
    """logits (..., J, J) -> y (..., J, J), cache."""
    log, made = logits, []
    for step in range(2 * iterations):
        axis = -1 if step % 2 == 0 else -2  # a row's sum, then a column's
        top = log.max(axis=axis, keepdims=True, initial=-np.inf)
        log = log - top - np.log(np.exp(log - top).sum(axis=axis, keepdims=True))
        made.append(np.exp(log))
    return made[-1], made


def _last(dy, cache):
    dl = dy * cache[-1]
    for step in (len(cache) - 1, len(cache) - 2):
        dl = dl - cache[step] * dl.sum(axis=-2 if step % 2 else -1, keepdims=True)
    return dl


MISTAKES = [
    ("the last iteration alone is walked back",
     {"sinkhorn_forward": sinkhorn_forward, "sinkhorn_backward": _last}),
    ("the sums are taken for constants", "sinkhorn/sums-are-constants"),
    ("every step back uses y, and not what the step had made", "sinkhorn/y-in-every-step"),
    ("a step back uses what the step was given, and not what it made",
     "sinkhorn/what-the-step-was-given"),
    ("rows are walked back as columns, and columns as rows", "sinkhorn/axes-exchanged"),
    ("dy is not multiplied by y before the first step back", "sinkhorn/exponential-forgotten"),
    ("the steps are walked in the order of the forward", "sinkhorn/from-first-to-last"),
    ("the first division of the rows is not walked back", "sinkhorn/first-step-forgotten"),
    ("it is the gradient of the limit, which few iterations do not reach",
     "sinkhorn/implicit-after-few-iterations"),
]  # fmt: skip
