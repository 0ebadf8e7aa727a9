"""The card of the dispatch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.routed import draw_places, drops, example_places, rows_of
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, draw_array, draw_sizes
from npformer.ops import dispatch
from npformer.ops.dispatch import dispatch_backward, dispatch_forward, rows_of_choices

card = OpCard.of(dispatch)
card.owner = "MixtureOfExperts"
card.words = {"y": "the rows sorted by expert", "dx": "the sum of a token's copies"}
card.edge("no tokens", {"x": np.zeros((0, 3))}, slots=np.zeros((0, 2), np.int64))
card.edge("all dropped", {"x": np.ones((2, 3))}, slots=np.full((2, 2), -1))
card.edge("no width", {"x": np.ones((2, 0))}, slots=np.array([[1], [0]]))


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Tokens with one expert and with several, with and without dropped choices."""
    sizes = draw_sizes(source, "rd")
    slots = draw_places(source, sizes["r"])[0].slots
    x = draw_array(source, (sizes["r"], sizes["d"]), np.dtype(dtype))
    dy = draw_array(source, (rows_of(slots), sizes["d"]), np.dtype(dtype), upstream=True)
    return Case({"x": x}, {"slots": slots}, dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"x": rng.standard_normal((b, 4))}, {"slots": example_places(b).slots}


_forward, _backward = map(inspect.unwrap, card.pair)


@card.scale
def scale(x: Array, slots: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """A copy is exact; its gradient is a sum over copies."""
    return {
        "y": _forward(np.abs(x), slots=slots)[0] + fp.tiny,
        "dx": _backward(np.abs(dy), dispatch.DispatchCache(slots)) + fp.tiny,
    }


@card.invariant("dx sums to dy", broken_by="first-choice-only")
def _shares(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    dy = case.dy.astype(np.float64)
    yield Finding(result["dx"].astype(np.float64).sum(0), dy.sum(0), scales["dx"].sum(0))


@card.invariant("a token whose choices are dropped has no gradient", "dropped-read-the-last-row")
def _dropped(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dx"][(case.static["slots"] < 0).all(1)], 0.0, 0.0)


def _keeps(case: Case) -> bool:
    return not drops(case)


@card.wrong_backward("first-choice-only", "a token gets the gradient of its first copy alone")
def _first(dy, cache):
    return dispatch_backward(dy, cache._replace(slots=cache.slots[:, :1]))


@card.wrong_backward("last-copy-stays", "dx[token] = dy: of a token's copies the last one counts")
def _last(dy, cache):
    dx = np.zeros((len(cache.slots), dy.shape[1]), dy.dtype)
    for _, r, p in rows_of_choices(cache.slots):
        dx[r] = dy[p]
    return dx


@card.wrong_backward("copies-averaged", "the copies' gradients are averaged")
def _averaged(dy, cache):
    return dispatch_backward(dy, cache) / max(cache.slots.shape[1], 1)


@card.wrong_backward("sorted-order-kept", "dy is summed as if the rows still stood by token")
def _unsorted(dy, cache):
    kept = cache.slots >= 0
    in_order = np.where(kept, np.cumsum(kept).reshape(kept.shape) - 1, -1)
    return dispatch_backward(dy, cache._replace(slots=in_order))


@card.wrong_backward(
    "dropped-read-the-last-row", "a dropped choice reads row -1, which is the last one's"
)
def _last_row(dy, cache):
    if not len(dy):
        return dispatch_backward(dy, cache)
    return dispatch_backward(dy, cache._replace(slots=cache.slots % len(dy)))


@card.wrong_forward("choice-for-token", "the j-th copies are read in the order of the rows")
def _choice(x, slots):
    y, cache = dispatch_forward(x, slots=slots)
    order = np.argsort(slots.ravel(), kind="stable")[(slots < 0).sum() :]
    return x[order % max(len(x), 1)] if len(order) else y, cache


@card.wrong_forward("order-inverted", "the permutation is used where its inverse belongs")
def _inverted(x, slots):
    y, cache = dispatch_forward(x, slots=slots)
    kept = slots.ravel()[slots.ravel() >= 0]
    return y[kept], cache


@card.wrong_backward("single-precision", "dx is summed in float32", beyond_forward=True)
def _float32(dy, cache):
    return dispatch_backward(dy.astype(np.float32), cache).astype(dy.dtype)
