"""The card of Sinkhorn's normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import Ordinary
from npformer.cards.scales import FloatInfo, Scales
from npformer.cards.strategies import Source
from npformer.ops import sinkhorn
from npformer.ops.sinkhorn import (
    COLUMN,
    ROW,
    SinkhornCache,
    sinkhorn_backward,
    sinkhorn_forward,
)

card = OpCard.of(sinkhorn)
card.owner = "StreamResidual"
card.variants = ({"iterations": 1},)
card.words = {"y": "the doubly stochastic matrix", "dlogits": "dy * y, back through every step"}
card.edge("one stream", {"logits": [[[3.0]]]})
card.edge("a column without a large entry", {"logits": [[0.0, -800], [0, -900]]}, iterations=3)
card.edge("no matrices", {"logits": np.zeros((0, 2, 2))}, iterations=2)
card.edge("no streams", {"logits": np.zeros((2, 0, 0))}, iterations=2)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Few iterations and many; logits of ordinary size, for exp ends what is past some hundred."""
    letters = source.choice(("bjj", "jj", "btjj"))
    static = {"iterations": source.choice((2, 1, 3, 20))}
    return draw_case(
        source, f"{letters} -> {letters}", ("logits",), dtype, static=lambda sizes: static,
        limits={"logits": (-310, 2)},
    )  # fmt: skip


def _steps(logits: Array, iterations: int) -> Iterator[tuple[int, Array]]:
    """(axis, the logarithm of what the step made)."""
    for axis in (ROW, COLUMN) * iterations:
        high = logits.max(axis, keepdims=True, initial=-np.inf)
        logits = logits - high
        logits = logits - np.log(np.exp(logits).sum(axis, keepdims=True))
        yield axis, logits


def _matrix(a: Array) -> Array:
    """The largest of each matrix."""
    return a.max((-1, -2), keepdims=True, initial=0.0)


@card.scale
def scale(logits: Array, *, iterations: int = 20, dy: Array, fp: FloatInfo) -> Scales:
    """A step is off by the size of its logarithms, and a later one makes no error larger.

    Normalising brings no two matrices further apart (in Hilbert's metric), so the errors of steps
    add up as a random walk. The backward is the transpose of the same maps: a mistake of a step
    counts by its sum over the matrix.
    """
    off, total = np.ones((*logits.shape[:-2], 1, 1)), np.zeros((*logits.shape[:-2], 1, 1))
    made = list(_steps(logits, iterations))
    for _, log in made:
        off = off + (1 + _matrix(np.abs(log))) ** 2
    y = np.exp(made[-1][1])
    c = np.sqrt(off)
    dl = dy * y
    for axis, log in reversed(made):
        total = total + np.abs(dl).sum((-1, -2), keepdims=True) ** 2
        dl = dl - np.exp(log) * dl.sum(axis, keepdims=True)
    flush = fp.tiny * (1 + np.abs(dy).sum((-1, -2), keepdims=True))
    return {
        "y": y * c + fp.tiny,
        "dlogits": np.broadcast_to(c * np.sqrt(total) + flush, logits.shape),
    }


@card.invariant("every column of y sums to 1", broken_by="columns-first")
def _one(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.inputs["logits"].size:
        y = result["y"].astype(np.float64)
        yield Finding(y.sum(COLUMN), 1.0, (y + scales["y"]).sum(COLUMN))


@card.invariant("every row of dlogits sums to 0", broken_by="first-step-forgotten")
def _nothing(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dlogits"].astype(np.float64).sum(ROW), 0.0, scales["dlogits"].sum(ROW))


def _back(dy: Array, p: Array, dl: Array | None = None, axes: tuple[int, int] = (ROW, COLUMN)):
    """The walk back through the steps that made these p, in pairs."""
    dl = dy * p[-1] if dl is None else dl
    for s in reversed(range(len(p))):
        dl = dl - p[s] * dl.sum(axes[s % 2], keepdims=True)
    return dl


def _converged(case: Case) -> Case | None:
    """Small logits and many iterations: y is the limit, to the last digits."""
    small = {"logits": np.clip(case.inputs["logits"], -0.5, 0.5)}
    return Case(case.with_inputs(small).inputs, {"iterations": 60}, case.dy)


@card.wrong_backward(
    "implicit-after-few-iterations",
    "dlogits is that of the limit, where all sums of y are 1, whatever the iterations",
    seen="deepseek-ai/TileKernels#2",
    smallest="logits (2, 2)",
    missed_by=Ordinary("iterations until nothing changes", _converged),
)
def _implicit(dy, cache):
    y = cache.p[-1].astype(np.float64)
    g = dy * y
    size = y.shape[-1]
    one = np.broadcast_to(np.eye(size), y.shape)
    equations = np.block([[one, y], [np.swapaxes(y, -1, -2), one]])  # singular along (1, -1)
    sums = np.concatenate([g.sum(ROW), g.sum(COLUMN)], -1)[..., None]
    found = np.linalg.pinv(equations, rcond=1e-12) @ sums if size and y.size else sums
    a, b = found[..., :size, :], np.swapaxes(found[..., size:, :], -1, -2)
    return (y * (dy - a - b)).astype(dy.dtype)


@card.wrong_backward(
    "first-step-forgotten", "the first normalisation of the rows is not walked back"
)
def _first(dy, cache):
    dl = dy * cache.p[-1]
    for s in reversed(range(1, len(cache.p))):
        dl = dl - cache.p[s] * dl.sum(COLUMN if s % 2 else ROW, keepdims=True)
    return dl


@card.wrong_backward("last-iteration-alone", "the backward is the last iteration's")
def _last(dy, cache):
    return _back(dy, cache.p[-2:]) if len(cache.p) > 2 else dy * cache.p[-1]


@card.wrong_backward("sums-are-constants", "the divisors are taken for constants: dy * y")
def _constants(dy, cache):
    return dy * cache.p[-1]


@card.wrong_backward("y-in-every-step", "every step back uses y, and not what the step had made")
def _y(dy, cache):
    return _back(dy, np.broadcast_to(cache.p[-1], cache.p.shape))


@card.wrong_backward("what-the-step-was-given", "a step back uses what the step before it had made")
def _given(dy, cache):
    return _back(dy, np.concatenate([cache.p[:1], cache.p[:-1]]), dy * cache.p[-1])


@card.wrong_backward("axes-exchanged", "rows are walked back as columns, and columns as rows")
def _axes(dy, cache):
    return _back(dy, cache.p, axes=(COLUMN, ROW))


@card.wrong_backward(
    "exponential-forgotten", "dy is not multiplied by y before the first step back"
)
def _exponential(dy, cache):
    return _back(dy, cache.p, dy)


@card.wrong_backward("from-first-to-last", "the steps are walked in the order of the forward")
def _order(dy, cache):
    dl = dy * cache.p[-1]
    for s in range(len(cache.p)):
        dl = dl - cache.p[s] * dl.sum(COLUMN if s % 2 else ROW, keepdims=True)
    return dl


@card.wrong_backward("single-precision", "dlogits is computed in float32", beyond_forward=True)
def _float32(dy, cache):
    return sinkhorn_backward(dy.astype("f"), SinkhornCache(cache.p.astype("f"))).astype(dy.dtype)


def _forward(name, wrong, of):
    """A wrong output, of(logits, iterations), and the right cache."""

    def forward(logits, *, iterations=20):
        cache = sinkhorn_forward(logits, iterations=iterations)[1]
        return of(logits, iterations).astype(logits.dtype), cache

    card.wrong_forward(name, wrong)(forward)


def _with_eps(logits, iterations):
    m = np.exp(logits - logits.max(ROW, keepdims=True, initial=-np.inf))
    for axis in (ROW, COLUMN) * iterations:
        m = m / (m.sum(axis, keepdims=True) + 1e-6)
    return m


_forward("columns-first", "the columns are normalised first, and the rows last",
         lambda x, n: np.swapaxes(
             sinkhorn_forward(np.swapaxes(x, -1, -2), iterations=n)[0], -1, -2))  # fmt: skip
_forward("one-iteration-more", "there is one iteration more than was asked for",
         lambda x, n: sinkhorn_forward(x, iterations=n + 1)[0])  # fmt: skip
_forward("rows-alone", "only the rows are normalised: a softmax",
         lambda x, n: sinkhorn_forward(x, iterations=1)[1].p[0])  # fmt: skip
_forward("eps-in-the-divisors", "1e-6 is added to every sum", _with_eps)
