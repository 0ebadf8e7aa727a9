"""The card of T5's relative bias: a learned score for each bucket of distances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.biases import LINEAR, MOVED, draw_bias, in_one_piece, linear, moved
from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import relative_bias
from npformer.ops.alibi import relative_positions
from npformer.ops.relative_bias import (
    relative_bias_backward,
    relative_bias_forward,
    relative_buckets,
)

card = OpCard.of(relative_bias)
card.owner = "RelativePositions"
card.words = {"y": "the look-up by distance", "dweight": "the sum over the places of a bucket"}
card.variants = ({"bidirectional": False},)
for _both in (True, False):
    _weight = {"weight": np.arange(24.0).reshape(8, 3)}
    _ways = "both ways" if _both else "backwards"
    card.edge(f"past the largest distance, {_ways}", _weight, t=2, s=30,
              bidirectional=_both, max_distance=8)  # fmt: skip
    card.edge(f"a step of decoding, {_ways}", _weight, t=1, s=9, bidirectional=_both)
    card.edge(f"no queries, {_ways}", _weight, t=0, s=3, bidirectional=_both)
    card.edge(f"no keys, {_ways}", _weight, t=2, s=0, bidirectional=_both)
card.edge("the fewest buckets", {"weight": [[1.0], [2], [3], [4]]}, t=3, s=3, max_distance=2)
card.edge("no heads", {"weight": np.zeros((8, 0))}, t=2, s=3)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Few buckets and short distances, so that all of them are met, and T5's own."""
    both = source.choice((True, False))
    buckets = source.choice((8, 32, 4))
    largest = source.choice((128, 10))

    def more() -> dict[str, Any]:
        return {"bidirectional": both, "max_distance": largest}

    case = draw_bias(source, "kn -> nts", "weight", dtype, more, least={"k": 1})
    drawn = case.inputs["weight"]
    fits = max(largest, 1 + (buckets // 2 if both else buckets) // 2)
    weight = np.resize(drawn, (buckets, drawn.shape[1])) if drawn.size else drawn[:0]
    if not drawn.size:
        weight = np.zeros((buckets, drawn.shape[1]), dtype)
    weight = weight * (1 + np.arange(buckets)[:, None] / 16).astype(dtype)
    return Case({"weight": weight}, {**case.static, "max_distance": fits}, case.dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"weight": rng.standard_normal((8, b))}, {"t": 3, "s": 5}


def _buckets(case: Case) -> Array:
    """(T, S)."""
    static, count = case.static, len(case.inputs["weight"])
    relative = relative_positions(static["t"], static["s"], static["at"])
    return relative_buckets(relative, count, static["bidirectional"], static["max_distance"])


@card.scale
def scale(
    weight: Array,
    *,
    t: int,
    s: int,
    bidirectional: bool,
    max_distance: int,
    at: int | None,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """A copy is exact; the gradient is a sum over the places of a bucket."""
    relative = relative_positions(t, s, at)
    buckets = relative_buckets(relative, len(weight), bidirectional, max_distance)
    dweight = np.zeros(weight.shape)
    np.add.at(dweight, buckets, np.abs(dy).transpose(1, 2, 0))
    return {"y": np.abs(weight.T[:, buckets]) + fp.tiny, "dweight": dweight + fp.tiny}


card.invariant(MOVED, broken_by="from-the-key")(moved)
card.invariant(LINEAR, broken_by="mean-for-sum")(linear("weight"))


@card.invariant("a bucket that no distance falls into has no gradient", broken_by="spread-evenly")
def _unmet(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    unmet = np.ones(len(case.inputs["weight"]), bool)
    unmet[_buckets(case).reshape(-1)] = False
    yield Finding(result["dweight"][unmet], 0.0, 0.0)


@card.invariant("a head's dweight sums to its dy", broken_by="repeats-lost")
def _shares(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    dy = case.dy.astype(np.float64)
    total = np.abs(dy).sum((1, 2)) + np.finfo(case.dy.dtype).tiny
    yield Finding(result["dweight"].astype(np.float64).sum(0), dy.sum((1, 2)), total)


def _places(cache: Any, t: int) -> Array:
    """The bucket of every query and key (T, S)."""
    s = len(cache.buckets) - t + 1
    return np.array([cache.buckets[t - 1 - i : t - 1 - i + s] for i in range(t)]).reshape(t, s)


@card.wrong_backward(
    "repeats-lost",
    "dweight[buckets] += dy: of the places of a bucket, one counts",
)
def _repeats(dy, cache):
    if not dy.size:
        return relative_bias_backward(dy, cache)
    dweight = np.zeros((cache.entries, len(dy)), dy.dtype)
    dweight[_places(cache, dy.shape[1])] += dy.transpose(1, 2, 0)
    return dweight


@card.wrong_backward(
    "no-gradient",
    "the bias is captured as a constant: its weight gets nothing",
    seen="meta-pytorch/attention-gym#20",
    smallest="weight (4, 1)",
    missed_by=OUTPUT,
)
def _none(dy, cache):
    return np.zeros((cache.entries, len(dy)), dy.dtype)


@card.wrong_backward("mean-for-sum", "a bucket gets the mean over its places")
def _mean(dy, cache):
    if not dy.size:
        return relative_bias_backward(dy, cache)
    places = np.bincount(_places(cache, dy.shape[1]).reshape(-1), minlength=cache.entries)
    return relative_bias_backward(dy, cache) / np.maximum(places, 1)[:, None].astype(dy.dtype)


@card.wrong_backward("spread-evenly", "every bucket gets the same share of dy")
def _even(dy, cache):
    share = relative_bias_backward(dy, cache).sum(0) / cache.entries
    return np.broadcast_to(share, (cache.entries, len(dy))).copy()


@card.wrong_backward("last-query", "only the last query's row reaches the weight")
def _last(dy, cache):
    last = np.zeros_like(dy)
    last[:, -1:] = dy[:, -1:]
    return relative_bias_backward(last, cache)


@card.wrong_backward("heads-summed", "every head's column gets the sum over all heads")
def _summed(dy, cache):
    every = np.broadcast_to(dy.sum(0), dy.shape)
    return relative_bias_backward(every, cache)


def _by(formula):
    """A forward whose buckets are formula(relative, count, bidirectional, max_distance)."""

    def forward(weight, *, t, s, bidirectional=True, max_distance=128, at=None):
        _, cache = relative_bias_forward(
            weight, t=t, s=s, bidirectional=bidirectional, max_distance=max_distance, at=at
        )
        relative = relative_positions(t, s, at)
        buckets = formula(relative, len(weight), bidirectional, max_distance)
        return weight.T[:, buckets], cache

    return forward


card.wrong_forward("query-minus-key", "the direction is turned about: what follows is what went "
                   "before")(_by(lambda r, *more: relative_buckets(-r, *more)))  # fmt: skip
card.wrong_forward("no-room-for-the-far", "far keys share the last bucket: there is no logarithm")(
    _by(lambda r, k, both, most: relative_buckets(
        np.clip(r, -(k // (4 if both else 2)), k // (4 if both else 2)), k, both, most))
)  # fmt: skip
card.wrong_forward("one-bucket-too-few", "the last bucket of a direction is never used")(
    _by(lambda r, k, both, most: np.where(
        relative_buckets(r, k, both, most) % (k // 2 if both else k)
        == (k // 2 if both else k) - 1,
        relative_buckets(r, k, both, most) - 1,
        relative_buckets(r, k, both, most)))
)  # fmt: skip
card.wrong_forward("both-ways-always", "a decoder's bias has an encoder's buckets")(
    _by(lambda r, k, both, most: relative_buckets(r, k, True, most))
)


@card.wrong_forward(
    "dropped-in-decoding",
    "the bias is left out where keys are kept from earlier steps",
    seen="NVIDIA/TensorRT-LLM#13870",
    smallest="weight (4, 1)",
    missed_by=only("sentences in one piece", in_one_piece),
)
def _dropped(weight, *, t, s, bidirectional=True, max_distance=128, at=None):
    y, cache = relative_bias_forward(
        weight, t=t, s=s, bidirectional=bidirectional, max_distance=max_distance, at=at
    )
    return (y if t == s and not at else np.zeros_like(y)), cache


@card.wrong_forward("from-the-start", "the first query is taken to be at 0, whatever is kept")
def _from_the_start(weight, *, t, s, bidirectional=True, max_distance=128, at=None):
    return relative_bias_forward(
        weight, t=t, s=s, bidirectional=bidirectional, max_distance=max_distance, at=0
    )


@card.wrong_forward("from-the-key", "the bucket is that of the key's own position, not of its "
                    "distance")  # fmt: skip
def _absolute(weight, *, t, s, bidirectional=True, max_distance=128, at=None):
    _, cache = relative_bias_forward(
        weight, t=t, s=s, bidirectional=bidirectional, max_distance=max_distance, at=at
    )
    keys = np.broadcast_to(-np.arange(s), (t, s))
    return weight.T[:, relative_buckets(keys, len(weight), bidirectional, max_distance)], cache


@card.wrong_forward("reshaped-for-transposed", "(T, S, N) is reshaped to (N, T, S), not transposed")
def _reshaped(weight, *, t, s, bidirectional=True, max_distance=128, at=None):
    y, cache = relative_bias_forward(
        weight, t=t, s=s, bidirectional=bidirectional, max_distance=max_distance, at=at
    )
    return y.transpose(1, 2, 0).reshape(y.shape), cache
