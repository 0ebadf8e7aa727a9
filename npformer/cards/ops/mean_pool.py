"""The card of mean pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import mean_pool
from npformer.ops.mean_pool import MeanPoolCache, mean_pool_backward, mean_pool_forward

card = OpCard.of(mean_pool)
card.owner = "Pooling"
card.words = {"y": "the mean over the tokens", "dx": "dy, shared among the tokens"}
card.edge("a text without a token", {"x": np.ones((2, 3, 2))},
          mask=np.array([[False] * 3, [True, False, True]]))  # fmt: skip
card.edge("padding that is infinite", {"x": [[[1.0, 2], [-np.inf, np.inf]]]},
          mask=np.array([[True, False]]))  # fmt: skip
card.edge("no rows", {"x": np.zeros((0, 3, 2))}, mask=np.zeros((0, 3), bool))
card.edge("no tokens", {"x": np.zeros((2, 0, 3))}, mask=np.zeros((2, 0), bool))
card.edge("without a mask", {"x": np.arange(12.0).reshape(2, 3, 2)})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Without a mask, with padding at the end, and with any row left out."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        kind = source.choice(("none", "ends", "any"))
        if kind == "none":
            return {}
        rng, shape = draw_rng(source), (sizes["b"], sizes["t"])
        if kind == "any":
            return {"mask": rng.random(shape) < 0.6}
        return {"mask": np.arange(shape[1]) < rng.integers(0, shape[1] + 1, (shape[0], 1))}

    return draw_case(source, "btd -> bd", ("x",), dtype, static=static, least={"t": 1})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    mask = np.array([[True, True, False], [True, True, True]])
    return {"x": rng.standard_normal((b, 3, 4))}, {"mask": np.resize(mask, (b, 3))}


def _mask(x: Array, mask: Array | None) -> Array:
    return np.ones(x.shape[:2], bool) if mask is None else mask


def _count(mask: Array) -> Array:
    return np.maximum(mask.sum(1, keepdims=True), 1)


@card.scale
def scale(x: Array, mask: Array | None = None, *, dy: Array, fp: FloatInfo) -> Scales:
    """A sum of as many terms as there are tokens, each times a share that is rounded once."""
    seen = _mask(x, mask)
    share = seen / _count(seen)
    terms = np.abs(np.where(seen[..., None], x, 0)) * share[..., None]
    return {
        "y": 2 * walk(x.shape[1]) * terms.sum(1) + fp.tiny * max(x.shape[1], 1),
        "dx": share[..., None] * np.abs(dy)[:, None] * 2 + np.where(seen[..., None], fp.tiny, 0),
    }


@card.invariant("padding has no gradient", broken_by="padding-shared")
def _padding(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    hidden = ~_mask(case.inputs["x"], case.static.get("mask"))
    yield Finding(result["dx"][hidden], 0.0, 0.0)


@card.invariant("the gradients of a text's tokens sum to dy", broken_by="share-forgotten")
def _sum(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Of texts that have a token: the shares sum to 1."""
    some = _mask(case.inputs["x"], case.static.get("mask")).any(1)
    total = result["dx"].astype(np.float64).sum(1)[some]
    yield Finding(total, case.dy[some].astype(np.float64), scales["dx"].sum(1)[some])


@card.invariant("every token of a text has the same gradient", broken_by="first-token-alone")
def _alike(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    mask, dx = _mask(case.inputs["x"], case.static.get("mask")), result["dx"]
    for row in range(len(dx)):
        mine = dx[row][mask[row]]
        if len(mine):
            yield Finding(mine, np.broadcast_to(mine[:1], mine.shape), 0.0)


@card.invariant("the mean of one row, again and again, is that row", broken_by="sum-for-mean")
def _constant(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    x = case.inputs["x"]
    if not x.size:
        return
    same = np.broadcast_to(x[:, :1], x.shape)
    some = _mask(x, case.static.get("mask")).any(1)
    found = component.run(case.with_inputs({"x": np.array(same)}))["y"][some]
    first = x[some, 0].astype(np.float64)
    tiny = np.finfo(case.dy.dtype).tiny
    yield Finding(found, first, np.abs(first) * 2 * walk(x.shape[1]) + tiny * x.shape[1])


def _wrong_share(name, wrong, share, **seen):
    """A wrong backward whose share of each row is ``share(the right one)``."""

    def backward(dy, cache):
        return mean_pool_backward(dy, MeanPoolCache(share(cache.share).astype(dy.dtype)))

    card.wrong_backward(name, wrong, **seen)(backward)


def _length(share):
    return max(share.shape[1], 1)


def _first(share):
    kept = np.zeros_like(share)
    kept[:, :1] = share[:, :1]
    return kept


_wrong_share("share-forgotten", "every token gets dy, not its share of it",
             lambda s: (s > 0) * 1.0)  # fmt: skip
_wrong_share("shared-by-length", "dy is divided by the padded length, not by the tokens",
             lambda s: (s > 0) / _length(s))  # fmt: skip
_wrong_share("padding-shared", "padding gets a share too",
             lambda s: np.broadcast_to(s.max(1, keepdims=True, initial=0), s.shape))  # fmt: skip
_wrong_share("first-token-alone", "the first token alone gets a gradient", _first)
_wrong_share("shared-by-batch", "the share is divided by the number of texts too",
             lambda s: s / max(len(s), 1))  # fmt: skip
_wrong_share("share-squared", "the share multiplies dy twice", lambda s: s * s)
_wrong_share("share-of-another-text", "the texts' shares are in the reverse order",
             lambda s: s[::-1])  # fmt: skip


def _other_mean(name, wrong, mean):
    """A wrong output, with the right shares: mean(x, mask)."""

    def forward(x, mask=None):
        y = mean(x, _mask(x, mask)).astype(x.dtype)
        return y, mean_pool_forward(x, mask)[1]

    card.wrong_forward(name, wrong)(forward)


def _seen(x, mask):
    return np.where(mask[..., None], x, 0)


_other_mean("mean-of-padding-too", "padding is summed with the tokens",
            lambda x, m: x.sum(1) / _count(m))  # fmt: skip
_other_mean("divided-by-length", "the sum is divided by the padded length, not by the tokens",
            lambda x, m: _seen(x, m).sum(1) / _length(x))  # fmt: skip
_other_mean("sum-for-mean", "a sum stands where the mean belongs", lambda x, m: _seen(x, m).sum(1))
_other_mean("empty-divided", "a text without a token is divided by 0",
            lambda x, m: _seen(x, m).sum(1) / m.sum(1, keepdims=True))  # fmt: skip


@card.wrong_backward("single-precision", "dx is computed silently in float32")
def _float32(dy, cache):
    narrow = MeanPoolCache(cache.share.astype(np.float32))
    return mean_pool_backward(dy.astype(np.float32), narrow).astype(dy.dtype)
