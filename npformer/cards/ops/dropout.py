"""The card of dropout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.elementwise import draw_elementwise
from npformer.cards.invariant import Finding
from npformer.cards.op_card import Library, OpCard
from npformer.cards.ordinary import only, option
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source, rarely
from npformer.ops import dropout
from npformer.ops.dropout import DropoutCache, dropout_backward, dropout_forward, keep_mask

card = OpCard.of(dropout)
card.owner = "Dropout"
card.library = Library(
    "dropout",
    lambda input, p=0.5, training=True, inplace=False: {"x": input, "p": p, "rng": None},
    lambda f, a: f(a["x"], a["p"], False),
)
card.edge("infinite entries", {"x": [np.inf, -np.inf, 1, 2] * 2}, p=0.5, rng=3)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """p from 0 up, and inference."""
    case = draw_elementwise(source, dtype)
    seed = None if rarely(source) else source.integer(0, 2**32 - 1)
    return Case(case.inputs, {"p": source.choice((0.5, 0.1, 0.9, 0.0)), "rng": seed}, case.dy)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"x": rng.standard_normal((b, 3, 4))}, {"p": 0.3, "rng": 0}


@card.scale
def scale(x: Array, *, p: float, dy: Array, fp: FloatInfo, **_: Any) -> Scales:
    """One product with 1 / (1 - p)."""
    return {"y": np.abs(x) / (1 - p) + fp.tiny, "dx": np.abs(dy) / (1 - p) + fp.tiny}


@card.invariant("nothing passes a dropped unit", broken_by="fresh-mask")
def _same_mask(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The gradient passes where the value passed."""
    x = case.inputs["x"]
    zero = (result["y"] == 0) & (x != 0) & (np.abs(x) > 1e-300)
    yield Finding(result["dx"][zero], 0.0, 0.0)


@card.invariant("inference is the identity, forward and backward", broken_by="scaled-at-inference")
def _identity(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["rng"] is None or case.static["p"] == 0:
        yield Finding(result["y"], case.inputs["x"], 0.0)
        yield Finding(result["dx"], case.dy, 0.0)


@card.steps
def _step(visit: Any, result: str) -> str:
    back = visit.back
    x, y = (
        (visit.arguments["x"], visit.output)
        if result == "y"
        else (back and back.dy, back and back.gradients[0])
    )
    assert x is not None and y is not None
    keep = getattr(visit.cache, "keep", None)
    if keep is None:
        return "what inference does"
    if np.array_equal(np.asarray(y) != 0, (np.asarray(x) != 0) & keep):
        return "the factor 1 / (1 - p)"
    return "the mask"


@card.wrong_backward("fresh-mask", "the backward draws a mask of its own")
def _fresh(dy, cache):
    if cache.keep is None:
        return dy
    p = 1 - 1 / cache.scale
    keep = keep_mask(dy.shape, p, np.random.default_rng(1))
    return np.where(keep, dy * cache.scale, 0)


@card.wrong_backward("gradient-unscaled", "the backward lacks 1 / (1 - p)")
def _unscaled(dy, cache):
    return dropout_backward(dy, cache._replace(scale=1.0))


@card.wrong_backward(
    "mask-forgotten",
    "the gradient passes dropped units",
    seen="ddbourgin/numpy-ml#94",
    smallest="x (1,)",
    missed_by=option("nothing dropped", p=0.0),
)
def _everywhere(dy, cache):
    return dy * cache.scale


@card.wrong_backward("mask-inverted", "the gradient passes exactly the dropped units")
def _inverted(dy, cache):
    return dy if cache.keep is None else dropout_backward(dy, cache._replace(keep=~cache.keep))


@card.wrong_forward("forward-unscaled", "what is kept is not scaled by 1 / (1 - p)")
def _forward_unscaled(x, p, rng):
    y, cache = dropout_forward(x, p, rng)
    return (x if cache.keep is None else np.where(cache.keep, x, 0)), cache


@card.wrong_forward("scaled-at-inference", "inference multiplies by 1 - p")
def _inference(x, p, rng):
    if rng is None:
        return x * (1 - p), DropoutCache(None, 1.0)
    return dropout_forward(x, p, rng)


@card.wrong_forward("p-is-keep-probability", "p is taken for the probability to keep")
def _keep(x, p, rng):
    return dropout_forward(x, 1 - p if 0 < p < 1 else p, rng)


@card.wrong_forward(
    "mask-told-by-values",
    "the mask is not kept but told by y / x, and where x is 0 the gradient passes unscaled",
    seen="kaldi-asr/kaldi#3890",
    smallest="x (1,)",
    missed_by=only("inputs without an exact 0", lambda case: np.all(case.inputs["x"] != 0)),
)
def _by_values(x, p, rng):
    y, cache = dropout_forward(x, p, rng)
    if cache.keep is None or not cache.scale:
        return y, cache
    told = np.where(x == 0, 1 / cache.scale, cache.keep).astype(x.dtype)
    return y, cache._replace(keep=told)


@card.wrong_forward(
    "mask-never-drawn",
    "the mask is never filled in, and everything is dropped",
    seen="ooples/AiDotNet.Tensors#732",
    smallest="x (1,)",
    missed_by=option("nothing dropped", p=0.0),
)
def _never_drawn(x, p, rng):
    y, cache = dropout_forward(x, p, rng)
    if cache.keep is None:
        return y, cache
    return np.zeros_like(y), cache._replace(keep=np.zeros_like(cache.keep))
