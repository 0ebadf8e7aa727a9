"""Losses of single rows, over blocks of one class, of some, and of all."""

import dataclasses

import numpy as np

from npformer.cards.case import draw_case
from npformer.cards.strategies import draw_rng
from npformer.exercises.grade import answer
from npformer.exercises.question import PairQuestion
from npformer.ops import linear_cross_entropy_backward, linear_cross_entropy_forward
from npformer.verify.components.registry import COMPONENTS


def grade(submission, cases, seed):
    """The registered component on cases of the exercise's kind; its mutants give diagnoses."""
    base = dataclasses.replace(COMPONENTS["linear_cross_entropy"], draw_from=_draw)
    functions = {
        part: getattr(submission, f"linear_cross_entropy_{part}")
        for part in ("forward", "backward")
    }
    question = PairQuestion(
        "linear_cross_entropy", base, stem="linear_cross_entropy", functions=functions
    )
    return answer(question, submission, cases, seed, MISTAKES)


def _draw(source, dtype):
    def static(sizes):
        rng = draw_rng(source)
        return {
            "targets": rng.integers(0, sizes["v"], sizes["r"]),
            "class_block": source.choice((2, 1, 3, 10)),
            "label_smoothing": 0.0,
            "z_loss": 0.0,
            "softcap": None,
            "ignore_index": None,
            "reduction": "none",
            "row_block": 256,
        }

    return draw_case(
        source, "rd, vd -> r", ("x", "weight"), dtype, static=static, least={"r": 1, "v": 1, "d": 1}
    )


def _wrong(p_of=None, dlogits_of=None):
    """A pair whose backward has another p(logits, log_total), or dlogits(dloss, p)."""

    def forward(x, weight, targets, class_block):
        y, cache = linear_cross_entropy_forward(
            x, weight, targets, class_block=class_block, reduction="none", ignore_index=None
        )
        return y, (cache, x, weight, targets, class_block)

    def backward(dloss, cache):
        own, x, weight, targets, block = cache
        log_total = (own.top + np.log(own.total))[:, None]
        dx, dweight = np.zeros_like(x), np.zeros_like(weight)
        for first in range(0, len(weight), block):
            w = weight[first : first + block]
            logits = x @ w.T
            p = (p_of or (lambda z, total: np.exp(z - total)))(logits, log_total)
            onehot = targets[:, None] == np.arange(first, first + len(w))
            dlogits = (dlogits_of or (lambda d, p, hit: d[:, None] * (p - hit)))(dloss, p, onehot)
            dx += dlogits @ w
            dweight[first : first + block] = dlogits.T @ x
        return dx, dweight

    return {"linear_cross_entropy_forward": forward, "linear_cross_entropy_backward": backward}


def _own_softmax(z, total):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _after(dloss, cache):
    dx, dweight = linear_cross_entropy_backward(np.ones_like(dloss), cache)
    return dx * dloss[:, None], dweight * dloss.mean()


MISTAKES = [
    ("what was summed before a block raised the maximum is not rescaled",
     "linear_cross_entropy/blocks-not-rescaled"),
    ("every row is multiplied by the first row's dloss",
     "linear_cross_entropy/first-upstream-for-all"),
    ("dloss is taken for 1", "linear_cross_entropy/upstream-ignored"),
    ("the target is taken off at its place in every block",
     "linear_cross_entropy/target-of-each-block"),
    ("dweight is averaged over the rows", "linear_cross_entropy/weight-averaged"),
    ("p is the softmax of the block by itself; it needs the sum over all classes",
     _wrong(_own_softmax)),
    ("the target is not taken off p", _wrong(dlogits_of=lambda d, p, hit: d[:, None] * p)),
    ("the gradient is the target minus p",
     _wrong(dlogits_of=lambda d, p, hit: d[:, None] * (hit - p))),
    ("dweight is multiplied by dloss when the sum over rows is over",
     {"linear_cross_entropy_backward": _after}),
]  # fmt: skip
