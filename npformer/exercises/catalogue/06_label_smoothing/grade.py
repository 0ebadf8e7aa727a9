"""Mean cross-entropy of rows (R, V) with label smoothing, some rows ignored; no class weights."""

import dataclasses

import numpy as np

from npformer.cards.case import draw_case
from npformer.cards.strategies import draw_rng
from npformer.exercises.grade import answer
from npformer.exercises.question import PairQuestion
from npformer.verify.components.registry import COMPONENTS

IGNORED = -100


def grade(submission, cases, seed):
    """The registered component on cases of the exercise's kind; its mutants give the diagnoses."""
    base = dataclasses.replace(COMPONENTS["cross_entropy"], draw_from=_draw)
    functions = {p: getattr(submission, f"cross_entropy_{p}") for p in ("forward", "backward")}
    question = PairQuestion("cross_entropy", base, stem="cross_entropy", functions=functions)
    return answer(question, submission, cases, seed, MISTAKES)


def _draw(source, dtype):
    def static(sizes):
        rng = draw_rng(source)
        targets = rng.integers(0, sizes["v"], sizes["r"])
        share = source.choice((0.0, 0.3, 1.0))
        return {
            "targets": np.where(rng.random(targets.shape) < share, IGNORED, targets),
            "label_smoothing": source.choice((0.5, 0.1, 0.0)),
            "ignore_index": IGNORED,
            "weight": None,
            "reduction": "mean",
        }

    return draw_case(source, "rv -> .", ("logits",), dtype, static=static, least={"r": 1, "v": 1})


def _wrong(wanted, backwards=None, rows=None):
    """A pair in which q, the q of the backward, or what a row counts for in the loss is wrong."""

    def forward(logits, targets, label_smoothing=0.0, ignore_index=IGNORED):
        z = logits - logits.max(axis=-1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        valid = targets != ignore_index
        onehot = np.eye(logits.shape[-1])[np.where(valid, targets, 0)]
        q = wanted(onehot, label_smoothing)
        back = q if backwards is None else backwards(onehot, label_smoothing)
        share = valid[:, None] if rows is None else rows(valid)[:, None]
        count = max(int(valid.sum()), 1)
        p = np.exp(logp)
        dlogits = (p * back.sum(axis=-1, keepdims=True) - back) * share / count
        return -(q * logp * share).sum() / count, (dlogits, p, back, share / count)

    def backward(dloss, cache):
        return cache[0] * dloss

    return {"cross_entropy_forward": forward, "cross_entropy_backward": backward}


def _right(onehot, e):
    return (1 - e) * onehot + e / onehot.shape[-1]


def _without_the_target(onehot, e):
    return np.where(onehot == 1, 1 - e, e / onehot.shape[-1])


def _undivided(onehot, e):
    return (1 - e) * onehot + e


def _target_whole(onehot, e):
    return onehot + e / onehot.shape[-1]


def _unsmoothed(onehot, e):
    return onehot


def _over_the_others(onehot, e):
    return (1 - e) * onehot + e / max(onehot.shape[-1] - 1, 1) * (1 - onehot)


def _padding_trained(pair):
    """The same, with a backward in which padding counts."""

    def backward(dloss, cache):
        _, p, q, share = cache
        return (p - q) * dloss * (share.max() or 1)

    return {**pair, "cross_entropy_backward": backward}


def _p_less_q(pair):
    """The same, with a backward that takes it for granted that q sums to 1."""

    def backward(dloss, cache):
        _, p, q, share = cache
        return (p - q) * share * dloss

    return {**pair, "cross_entropy_backward": backward}


_WRONG_Q = (
    ("the target gets 1 - e alone: its share e/V of the smoothing is missing", _without_the_target),
    ("the smoothing gives every class e, where e/V belongs", _undivided),
    ("the target keeps the weight 1, where 1 - e belongs", _target_whole),
    ("the smoothing spreads over the V - 1 other classes", _over_the_others),
)
MISTAKES = [
    *((sentence, _wrong(q)) for sentence, q in _WRONG_Q),
    *((sentence, _p_less_q(_wrong(q))) for sentence, q in _WRONG_Q),
    *(
        (f"in the backward, {sentence}", _p_less_q(_wrong(_right, q)))
        for sentence, q in _WRONG_Q
    ),
    ("label smoothing is left out of the backward", "cross_entropy/smoothing-forgotten"),
    ("label smoothing is left out", _wrong(_unsmoothed)),
    ("ignored rows get a gradient", _padding_trained(_wrong(_right))),
    ("ignored rows are treated like the others in the sum, and not in the divisor",
     _wrong(_right, rows=np.ones_like)),
]  # fmt: skip
