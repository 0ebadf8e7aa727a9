"""Mean cross-entropy of rows (R, V), some of them ignored; no smoothing, no class weights."""

import dataclasses
import itertools

import numpy as np

from npformer import ops
from npformer.cards.case import draw_case
from npformer.cards.strategies import draw_rng
from npformer.exercises.grade import answer
from npformer.exercises.question import PairQuestion
from npformer.verify.components.registry import COMPONENTS

IGNORED = -100


def grade(submission, cases, seed):
    """The registered component on cases of the exercise's kind; its mutants give the diagnoses."""
    base = dataclasses.replace(COMPONENTS["cross_entropy"], draw_from=_draw)
    forward = getattr(submission, "cross_entropy_forward", ops.cross_entropy_forward)
    question = PairQuestion(
        "cross_entropy",
        base,
        stem="cross_entropy",
        asked=("backward",),
        functions={"forward": forward, "backward": submission.cross_entropy_backward},
    )
    return answer(question, submission, cases, seed, MISTAKES)


def _draw(source, dtype):
    def static(sizes):
        rng = draw_rng(source)
        targets = rng.integers(0, sizes["v"], sizes["r"])
        share = source.choice((0.0, 0.3, 1.0))
        return {
            "targets": np.where(rng.random(targets.shape) < share, IGNORED, targets),
            "label_smoothing": 0.0,
            "ignore_index": IGNORED,
            "weight": None,
            "reduction": "mean",
        }

    return draw_case(source, "rv -> .", ("logits",), dtype, static=static, least={"r": 1, "v": 1})


def _forward(logits, targets, ignore_index=IGNORED):
    z = logits - logits.max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    valid = targets != ignore_index
    t = np.where(valid, targets, 0)
    count = max(int(valid.sum()), 1)
    p_less_one = np.exp(logp)
    p_less_one[np.arange(len(t)), t] -= 1
    loss = -(logp[np.arange(len(t)), t] * valid).sum() / count
    return loss, (np.exp(logp), p_less_one, valid[:, None], count)


def _all_rows(dloss, cache):
    _, p_less_one, valid, _ = cache
    return p_less_one * valid * dloss / len(valid)


def _through_softmax(dloss, cache):
    p, p_less_one, valid, count = cache
    again = p * (p_less_one - (p_less_one * p).sum(axis=-1, keepdims=True))
    return again * valid * dloss / count


def _logp_only(dloss, cache):
    p, p_less_one, valid, count = cache
    return (p_less_one - p) * valid * dloss / count


def _padding_trained(dloss, cache):
    _, p_less_one, _, count = cache
    return p_less_one * dloss / count


def _target_masked(dloss, cache):
    p, p_less_one, valid, count = cache
    return (p - (p - p_less_one) * valid) * dloss / count


def _p_masked(dloss, cache):
    p, p_less_one, valid, count = cache
    return (p * valid - (p - p_less_one)) * dloss / count


def _logarithm(dloss, cache):
    p, p_less_one, valid, count = cache
    return (np.log(p) - (p - p_less_one)) * valid * dloss / count


def _both(dloss, cache):
    _, p_less_one, valid, _ = cache
    return p_less_one * dloss / len(valid)


def _every_target(dloss, cache):
    p, p_less_one, valid, count = cache
    targets = (p != p_less_one).any(axis=0)  # (V,)
    return (p - targets) * valid * dloss / count


def _with(p="p", target=-1, sign=1, masked=True, by="count", dloss=True):
    """The right gradient with some of its parts replaced."""

    def backward(given, cache):
        probs, p_less_one, valid, count = cache
        onehot = probs - p_less_one
        own = (np.log(probs) if p == "logp" else probs) + target * onehot
        number = {"count": count, "rows": len(valid), "nothing": 1}[by]
        return sign * own * (valid if masked else 1) * (given if dloss else 1) / number

    return backward


PARTS = (
    [("logp stands where p belongs", {"p": "logp"})],
    [("nothing is subtracted at the target", {"target": 0}),
     ("1 is added at the target", {"target": 1})],
    [("the sign is turned", {"sign": -1})],
    [("ignored rows get a gradient", {"masked": False})],
    [("it is divided by all rows, the ignored ones included", {"by": "rows"}),
     ("it is not divided by the number of rows that count", {"by": "nothing"})],
    [("dloss is left out", {"dloss": False})],
)  # fmt: skip


def _single():
    """One of these alone, for which a combination must never be taken."""
    known = {
        "dloss is left out": "the upstream gradient is taken for 1",
        "the sign is turned": "dlogits has the wrong sign",
        "it is not divided by the number of rows that count": "the mean's gradient is the sum's",
    }
    for text, changes in itertools.chain(*PARTS):
        yield known.get(text, text), _with(**changes)


def _several():
    """Two or three of them at once."""
    for number, word in ((2, "two"), (3, "three")):
        for axes in itertools.combinations(PARTS, number):
            for parts in itertools.product(*axes):
                changes = {name: value for _, own in parts for name, value in own.items()}
                said = ", ".join(text for text, _ in parts[:-1]) + f", and {parts[-1][0]}"
                yield f"{word} things are wrong at once: {said}", _with(**changes)


MISTAKES = [
    (sentence, {"cross_entropy_forward": _forward, "cross_entropy_backward": backward})
    for sentence, backward in (
        ("the backward divides by all rows, the ignored ones included", _all_rows),
        ("ignored rows get a gradient", _padding_trained),
        ("ignored rows get a gradient: nothing is subtracted there, and p is left", _target_masked),
        ("ignored rows get a gradient: p is silenced there, and the 1 is subtracted", _p_masked),
        ("logp stands where p belongs", _logarithm),
        ("1 is subtracted in every row at the targets of all rows; each row has but its own",
         _every_target),
        ("ignored rows are treated like the others: they get a gradient, and are counted", _both),
        ("the softmax's backward is applied to p - onehot, which is already the gradient of the "
         "logits", _through_softmax),
        ("the gradient stops at the log-probabilities: -1 at the target and 0 elsewhere",
         _logp_only),
        *_single(),
        *_several(),
    )
]  # fmt: skip
