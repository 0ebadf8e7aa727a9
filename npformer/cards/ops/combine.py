"""The card of the combination."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.degrees import overflows, same_degree
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import Ordinary
from npformer.cards.routed import draw_places, example_places, rows_of
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_array, draw_sizes
from npformer.ops import combine
from npformer.ops.combine import CombineCache, combine_backward, combine_forward
from npformer.ops.dispatch import rows_of_choices

card = OpCard.of(combine)
card.owner = "MixtureOfExperts"
card.words = {
    "y": "the weighted sum of a token's experts",
    "dh": "the weight times dy",
    "dweights": "the product of dy and what the expert gave",
}
card.edge(
    "no tokens",
    {"h": np.zeros((0, 3)), "weights": np.zeros((0, 2))},
    slots=np.zeros((0, 2), np.int64),
)
card.edge(
    "all dropped", {"h": np.ones((0, 3)), "weights": np.ones((2, 2))}, slots=np.full((2, 2), -1)
)
card.edge("no width", {"h": np.ones((2, 0)), "weights": [[1.0], [2]]}, slots=np.array([[1], [0]]))
card.edge(
    "a weight of 0", {"h": [[1.0, 2], [3, 4]], "weights": [[0.0, 1]]}, slots=np.array([[1, 0]])
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Tokens with one expert and with several, with and without dropped choices."""
    sizes = draw_sizes(source, "rd")
    slots = draw_places(source, sizes["r"])[0].slots
    kind = np.dtype(dtype)
    h = draw_array(source, (rows_of(slots), sizes["d"]), kind)
    weights = draw_array(source, slots.shape, kind)
    dy = draw_array(source, (sizes["r"], sizes["d"]), kind, upstream=True)
    return Case({"h": h, "weights": weights}, {"slots": slots}, dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    slots = example_places(b).slots
    inputs = {"h": rng.standard_normal((rows_of(slots), 4)), "weights": rng.random(slots.shape)}
    return inputs, {"slots": slots}


_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(h: Array, weights: Array, slots: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """A sum of products over the experts, a product, a product over the width."""
    size = CombineCache(np.abs(h), np.abs(weights), slots)
    y, _ = _forward(size.h, size.weights, slots=slots)
    dh, dweights = _backward(np.abs(dy), size)
    width = dy.shape[1]
    return {
        "y": y + fp.tiny * slots.shape[1],
        "dh": dh + fp.tiny,
        "dweights": np.where(slots < 0, 0, walk(width) * (dweights + fp.tiny * (1 + width))),
    }


card.invariant("<dh, h> = <dweights, weights>", broken_by="weights-without-gradient")(
    same_degree("h", "weights")
)


@card.invariant("a dropped choice has a weight without a gradient", "dropped-read-the-last-row")
def _dropped(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dweights"][case.static["slots"] < 0], 0.0, 0.0)


@card.invariant(
    "<dweights, weights> of a token is <dy, y> of it", broken_by="divided-by-the-weight"
)
def _euler(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if overflows(case):
        return
    weights, dy = case.inputs["weights"].astype(np.float64), case.dy.astype(np.float64)
    left = (result["dweights"] * weights).sum(1)
    right = (result["y"] * dy).sum(1)
    size = (scales["dweights"] * np.abs(weights)).sum(1) + (scales["y"] * np.abs(dy)).sum(1)
    yield Finding(left, right, size)


def _positive(case: Case) -> Case | None:
    return case.with_inputs({"weights": np.abs(case.inputs["weights"]) + 0.1})


@card.wrong_backward(
    "weights-without-gradient",
    "the experts learn, and the router gets no gradient through the weights",
    seen="spcl/smoe#2",
    smallest="h (1, 1), weights (1, 1), slots (1, 1)",
    missed_by=Ordinary("a look at dh alone", results=("y", "dh")),
)
def _no_weights(dy, cache):
    dh, dweights = combine_backward(dy, cache)
    return dh, np.zeros_like(dweights)


@card.wrong_backward(
    "divided-by-the-weight",
    "dweights is <h, dh> divided by the weight, held above 0: the sign of a negative one is lost",
    seen="unslothai/unsloth-zoo#858",
    smallest="h (1, 1), weights (1, 1), slots (1, 1)",
    missed_by=Ordinary("weights above 0", _positive),
)
def _divided(dy, cache):
    dh, dweights = combine_backward(dy, cache)
    held = np.maximum(cache.weights, np.asarray(1e-12, cache.weights.dtype))
    return dh, dweights * cache.weights / held


@card.wrong_forward("unweighted", "a token gets the plain sum of its experts")
def _plain(h, weights, slots):
    y, _ = combine_forward(h, np.ones_like(weights), slots=slots)
    return y, combine_forward(h, weights, slots=slots)[1]


@card.wrong_forward("last-expert-stays", "y[token] = weight h: of several experts the last counts")
def _last(h, weights, slots):
    y = np.zeros((len(weights), h.shape[1]), h.dtype)
    for j, r, p in rows_of_choices(slots):
        y[r] = weights[r, j, None] * h[p]
    return y, combine_forward(h, weights, slots=slots)[1]


@card.wrong_forward("weights-exchanged", "a token's weights stand in the opposite order")
def _exchanged(h, weights, slots):
    y, _ = combine_forward(h, weights[:, ::-1], slots=slots)
    return y, combine_forward(h, weights, slots=slots)[1]


@card.wrong_forward(
    "dropped-read-the-last-row", "a dropped choice reads row -1, which is the last one's"
)
def _last_row(h, weights, slots):
    return combine_forward(h, weights, slots=slots % len(h) if len(h) else slots)


@card.wrong_backward("dh-unweighted", "every expert gets the whole of dy")
def _unweighted(dy, cache):
    dh, _ = combine_backward(dy, cache._replace(weights=np.ones_like(cache.weights)))
    return dh, combine_backward(dy, cache)[1]


@card.wrong_backward("dh-of-one-expert", "dh of all but the first choice is 0")
def _first(dy, cache):
    dh, dweights = combine_backward(dy, cache)
    wrong = np.zeros_like(dh)
    for j, _, p in rows_of_choices(cache.slots):
        if j == 0:
            wrong[p] = dh[p]
    return wrong, dweights


@card.wrong_backward("mean-over-the-width", "dweights is averaged over the width")
def _mean(dy, cache):
    dh, dweights = combine_backward(dy, cache)
    return dh, dweights / max(dy.shape[1], 1)


@card.wrong_backward("output-for-expert", "dweights is the product of dy and y, not of one expert")
def _output(dy, cache):
    dh, dweights = combine_backward(dy, cache)
    y, _ = combine_forward(cache.h, cache.weights, slots=cache.slots)
    of_y = np.where(cache.slots >= 0, (dy * y).sum(1, keepdims=True), 0)
    return dh, of_y.astype(dweights.dtype)


@card.wrong_backward("single-precision", "both are computed in float32", beyond_forward=True)
def _float32(dy, cache):
    narrow = CombineCache(cache.h.astype("f"), cache.weights.astype("f"), cache.slots)
    return tuple(g.astype(dy.dtype) for g in combine_backward(dy.astype("f"), narrow))
