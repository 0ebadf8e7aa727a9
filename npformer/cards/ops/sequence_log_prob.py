"""The card of the log-probability of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import only, option
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import sequence_log_prob
from npformer.ops.sequence_log_prob import sequence_log_prob_backward, sequence_log_prob_forward

card = OpCard.of(sequence_log_prob)
card.words = {"y": "the sum of log p of the targets", "dlogits": "onehot - p"}
card.edge("no sequences", {"logits": np.zeros((0, 2, 3))}, targets=np.zeros((0, 2), np.int64))
card.edge(
    "nothing counts, and the mean",
    {"logits": [[[1.0, 2.0]]]},
    targets=np.array([[-100]]),
    counts=np.array([[False]]),
    mean=True,
)
card.edge("far apart", {"logits": [[[1e4, -1e4, 0.0]]]}, targets=np.array([[1]]))
card.edge(
    "infinities where nothing counts",
    {"logits": [[[np.inf, 1.0], [1.0, 2.0]]]},
    targets=np.array([[0, 1]]),
    counts=np.array([[False, True]]),
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Prompts and padding, sequences of which nothing counts, sum and mean."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng, shape = draw_rng(source), (sizes["b"], sizes["t"])
        targets = rng.integers(0, sizes["v"], shape)
        counts = rng.random(shape) < source.choice((0.7, 1.0, 0.0))
        return {"targets": targets, "counts": counts, "mean": source.choice((False, True))}

    return draw_case(source, "btv -> b", ("logits",), dtype, static=static, least={"v": 1})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    counts = np.resize([False, True, True, False, True, True, False], (b, 4))
    static = {"targets": rng.integers(0, 5, (b, 4)), "counts": counts, "mean": False}
    return {"logits": rng.standard_normal((b, 4, 5))}, static


def _counted(case: Case) -> Array:
    given = case.static.get("counts")
    return np.ones(case.inputs["logits"].shape[:2], bool) if given is None else given


@card.scale
def scale(
    logits: Array,
    *,
    targets: Array,
    counts: Array | None = None,
    mean: bool = False,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """A log-softmax's error at the target, summed; a softmax's less a one."""
    counted = np.ones(targets.shape, bool) if counts is None else counts
    share = counted / (np.maximum(counted.sum(-1, keepdims=True), 1) if mean else 1)
    p, c, log_total = softmax_errors(logits, 0.0)
    shifted = np.abs(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    at = np.where(counted, targets, 0)[..., None]
    error = np.take_along_axis(shifted, at, -1) + log_total + (p * c).sum(-1, keepdims=True)
    each = np.where(counted, share * error[..., 0], 0)
    hit = np.zeros(logits.shape)
    np.put_along_axis(hit, at, 1.0, -1)
    d = (np.abs(dy)[:, None] * share)[..., None]
    inside = counted[..., None]
    return {
        "y": walk(targets.shape[1]) * each.sum(-1) + fp.tiny,
        "dlogits": np.where(inside, d * (hit + p * c) + fp.tiny * (1 + d), fp.tiny),
    }


@card.invariant("dlogits sums to 0 over the vocabulary", broken_by="p-alone")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Adding a constant to a position's logits changes nothing."""
    yield Finding(result["dlogits"].astype(np.float64).sum(-1), 0.0, scales["dlogits"].sum(-1))


@card.invariant("what does not count has no gradient", broken_by="everything-trained")
def _left_out(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dlogits"][~_counted(case)], 0.0, 0.0)


@card.invariant("the mean is the sum, divided by what counts", broken_by="mean-over-the-width")
def _mean(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    counts = _counted(case)
    summed = of.run(Case(case.inputs, {**case.static, "mean": False}, case.dy))["y"]
    number = np.maximum(counts.sum(-1), 1) if case.static.get("mean") else 1
    yield Finding(result["y"], summed.astype(np.float64) / number, 2 * scales["y"])


def _all_count(case: Case) -> bool:
    return bool(_counted(case).all())


def _some_count(case: Case) -> bool:
    return bool(_counted(case).any(-1).all())


@card.wrong_forward(
    "padding-counts",
    "padding and prompt are summed too",
    seen="0xallam/Direct-Preference-Optimization#4",
    smallest="logits (1, 1, 2), targets (1, 1)",
    missed_by=only("no padding", _all_count),
)
def _padding(logits, targets, *, counts=None, mean=False):
    return sequence_log_prob_forward(logits, targets, mean=mean)


@card.wrong_forward(
    "mean-for-sum",
    "the sum is divided by the tokens that count, unasked",
    seen="linkedin/Liger-Kernel#510",
    smallest="logits (1, 2, 2), targets (1, 2)",
    missed_by=option("the mean asked for", mean=True),
)
def _mean_for_sum(logits, targets, *, counts=None, mean=False):
    return sequence_log_prob_forward(logits, targets, counts=counts, mean=True)


@card.wrong_forward(
    "mean-of-nothing",
    "the mean of a sequence of which nothing counts is 0 / 0",
    seen="allenai/open-instruct#1625",
    smallest="logits (1, 1, 1), targets (1, 1)",
    missed_by=only("a token that counts in every sequence", _some_count),
)
def _nothing(logits, targets, *, counts=None, mean=False):
    y, cache = sequence_log_prob_forward(logits, targets, counts=counts, mean=mean)
    if not mean or counts is None:
        return y, cache
    none = ~counts.any(-1)
    share = np.where(none[:, None], np.nan, cache.share).astype(y.dtype)
    return np.where(none, np.nan, y).astype(y.dtype), cache._replace(share=share)


@card.wrong_forward(
    "scored-for-itself",
    "a position is scored for the token that it has read, and not for the next one",
    seen="AI-Hypercomputer/maxtext#2103",
    smallest="logits (1, 2, 2), targets (1, 2)",
    missed_by=only("one token twice", lambda case: case.inputs["logits"].shape[-1] == 1),
)
def _itself(logits, targets, *, counts=None, mean=False):
    return sequence_log_prob_forward(logits, np.roll(targets, 1, -1), counts=counts, mean=mean)


@card.wrong_forward("mean-over-the-width", "the mean divides by all positions, padding too")
def _width(logits, targets, *, counts=None, mean=False):
    y, cache = sequence_log_prob_forward(logits, targets, counts=counts)
    width = np.asarray(max(targets.shape[1], 1) if mean else 1, y.dtype)
    return y / width, cache._replace(share=cache.share / width)


@card.wrong_forward("probability", "probabilities are summed, and not their logarithms")
def _probability(logits, targets, *, counts=None, mean=False):
    _, cache = sequence_log_prob_forward(logits, targets, counts=counts, mean=mean)
    p = np.take_along_axis(cache.p, cache.targets[..., None], -1)[..., 0]
    return (cache.share * p).sum(-1), cache


@card.wrong_backward("p-alone", "the gradient lacks the target's 1")
def _p_alone(dy, cache):
    return -(dy[:, None] * cache.share)[..., None] * cache.p


@card.wrong_backward("sign", "the gradient is that of the loss, p - onehot")
def _sign(dy, cache):
    return -sequence_log_prob_backward(dy, cache)


@card.wrong_backward("share-forgotten", "the mean's gradient is the sum's")
def _undivided(dy, cache):
    share = (cache.share != 0).astype(cache.share.dtype)
    return sequence_log_prob_backward(dy, cache._replace(share=share))


@card.wrong_backward("everything-trained", "what does not count gets the gradient of what does")
def _everything(dy, cache):
    share = np.repeat(cache.share.max(-1, keepdims=True, initial=0), cache.share.shape[1], -1)
    return sequence_log_prob_backward(dy, cache._replace(share=share))


@card.wrong_backward("first-upstream-for-all", "every sequence gets the first one's dy")
def _first(dy, cache):
    return sequence_log_prob_backward(np.repeat(dy[:1], len(dy)), cache)


@card.wrong_backward("upstream-ignored", "dy is taken for 1")
def _upstream(dy, cache):
    return sequence_log_prob_backward(np.ones_like(dy), cache)
