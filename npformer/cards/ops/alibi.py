"""The card of ALiBi: scores fall with distance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.biases import LINEAR, MOVED, draw_bias, in_one_piece, linear, moved, terms
from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OUTPUT, only
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import alibi
from npformer.ops.alibi import (
    AlibiCache,
    alibi_backward,
    alibi_forward,
    alibi_slopes,
    relative_positions,
)

card = OpCard.of(alibi)
card.owner = "AlibiPositions"
card.words = {"y": "slope times distance", "dslopes": "the sum of dy times distance"}
card.edge("one token", {"slopes": [0.5]}, t=1, s=1)
card.edge("a step of decoding", {"slopes": [0.5, 0.25]}, t=1, s=5)
card.edge("room for later keys", {"slopes": [0.5, 0.25]}, t=2, s=6, at=1)
card.edge("no heads", {"slopes": np.zeros(0)}, t=2, s=3)
card.edge("no queries", {"slopes": [0.5]}, t=0, s=3)
card.edge("no keys", {"slopes": [0.5]}, t=2, s=0)
card.edge("the paper's slopes of 12 heads", {"slopes": alibi_slopes(12)}, t=4, s=4)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Slopes of any sign: learned ones may be."""
    return draw_bias(source, "n -> nts", "slopes", dtype)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"slopes": rng.standard_normal(b)}, {"t": 3, "s": 5}


@card.scale
def scale(slopes: Array, *, t: int, s: int, at: int | None, dy: Array, fp: FloatInfo) -> Scales:
    """A product; and a sum of products over queries and keys. Distances are exact."""
    distance = np.abs(relative_positions(t, s, at))
    return {
        "y": np.abs(slopes)[:, None, None] * distance + fp.tiny,
        "dslopes": terms(dy) * ((np.abs(dy) + fp.tiny) * distance).sum((1, 2)) + fp.tiny,
    }


card.invariant(MOVED, broken_by="growing-with-the-row")(moved)
card.invariant(LINEAR, broken_by="mean-for-sum")(linear("slopes"))


@card.invariant("a key at the query's own position is not moved", broken_by="off-by-one")
def _own(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    relative = relative_positions(case.static["t"], case.static["s"], case.static["at"])
    yield Finding(result["y"][:, relative == 0], 0.0, 0.0)


@card.wrong_forward(
    "farther-is-better",
    "the sign is turned about: the farther a key, the larger its score",
    seen="meta-pytorch/attention-gym#86",
    smallest="slopes (1,)",
    missed_by=only("a single token", lambda case: case.static["t"] == case.static["s"] == 1
                   and not case.static["at"]),
)  # fmt: skip
def _sign(slopes, *, t, s, at=None):
    y, cache = alibi_forward(slopes, t=t, s=s, at=at)
    return -y, AlibiCache(-cache.distance)


@card.wrong_forward(
    "over-the-queries",
    "the bias is made for as many keys as there are queries and broadcast over the kept ones: 0 in "
    "every step of decoding",
    seen="keras-team/keras-hub#2861",
    smallest="slopes (1,)",
    missed_by=only("sentences in one piece", in_one_piece),
)
def _over_queries(slopes, *, t, s, at=None):
    if t != 1:
        return alibi_forward(slopes, t=t, s=s, at=at)
    y, cache = alibi_forward(slopes, t=1, s=1)
    distance = np.broadcast_to(cache.distance, (1, s))
    return np.broadcast_to(y, (len(slopes), 1, s)).copy(), AlibiCache(distance)


@card.wrong_forward(
    "one-way",
    "key minus query without its absolute value: what follows the query is raised",
    seen="lucidrains/x-transformers#88",
    smallest="slopes (1,)",
    missed_by=only(
        "keys that do not follow", lambda case: np.all(
            relative_positions(case.static["t"], case.static["s"], case.static["at"]) <= 0
        )
    ),
)  # fmt: skip
def _one_way(slopes, *, t, s, at=None):
    distance = -relative_positions(t, s, at).astype(slopes.dtype)
    return -slopes[:, None, None] * distance, AlibiCache(distance)


@card.wrong_forward("from-the-start", "the first query is taken to be at 0, whatever is kept")
def _from_the_start(slopes, *, t, s, at=None):
    return alibi_forward(slopes, t=t, s=s, at=0)


@card.wrong_forward("off-by-one", "a query's own position is at distance 1")
def _by_one(slopes, *, t, s, at=None):
    first = s - t if at is None else at
    return alibi_forward(slopes, t=t, s=s, at=first + 1)


@card.wrong_forward("growing-with-the-row", "keys are counted from the row's start: slopes * j, "
                    "which is the same only where attention is causal")  # fmt: skip
def _from_the_left(slopes, *, t, s, at=None):
    distance = np.broadcast_to(-np.arange(s).astype(slopes.dtype), (t, s))
    return -slopes[:, None, None] * distance, AlibiCache(distance)


@card.wrong_forward("one-slope", "every head has the first one's slope")
def _one_slope(slopes, *, t, s, at=None):
    return alibi_forward(np.repeat(slopes[:1], len(slopes)), t=t, s=s, at=at)


@card.wrong_backward(
    "no-gradient",
    "the bias is captured as a constant: its parameter gets nothing",
    seen="meta-pytorch/attention-gym#20",
    smallest="slopes (1,)",
    missed_by=OUTPUT,
)
def _none(dy, cache):
    return np.zeros(len(dy), dy.dtype)


@card.wrong_backward("mean-for-sum", "dslopes is the mean over queries and keys")
def _mean(dy, cache):
    return alibi_backward(dy, cache) / max(cache.distance.size, 1)


@card.wrong_backward("last-query", "only the last query's row reaches the slopes")
def _last(dy, cache):
    return alibi_backward(dy[:, -1:], AlibiCache(cache.distance[-1:]))


@card.wrong_backward("minus-forgotten", "the sign of the bias is left out of the gradient")
def _minus(dy, cache):
    return -alibi_backward(dy, cache)


@card.wrong_backward("distance-forgotten", "dy is summed without the distances")
def _plain(dy, cache):
    return -dy.sum((1, 2))
