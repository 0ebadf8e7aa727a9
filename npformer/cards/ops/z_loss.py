"""The card of the z-loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import z_loss
from npformer.ops.array import rows
from npformer.ops.z_loss import ZLossCache, z_loss_backward, z_loss_forward

card = OpCard.of(z_loss)
card.owner = "MixtureOfExperts"
card.words = {"y": "the sum of log_total^2", "dlogits": "2 log_total p"}
card.edge("no row counts", {"logits": [[1.0, 2], [3, 4]]}, counts=np.array([False, False]))
card.edge("no rows", {"logits": np.zeros((0, 3))})
card.edge("one class", {"logits": [[1.0], [-3]]})
card.edge("far apart", {"logits": [[1e3, -1e3], [0, 1e3]]})
card.edge("a class ruled out", {"logits": [[-np.inf, 1.0, 2]]})
card.edge(
    "a row of infinities that does not count",
    {"logits": [[np.inf, 1.0], [1.0, 2.0]]},
    counts=np.array([False, True]),
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """All rows, some, or none."""
    lead = source.choice(("b", "bt", ""))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        share = source.choice((None, 0.7, 0.0))
        if share is None:
            return {}
        return {"counts": np.asarray(draw_rng(source).random([sizes[a] for a in lead]) < share)}

    return draw_case(
        source,
        f"{lead}v -> .",
        ("logits",),
        dtype,
        static=static,
        least={"v": 1},
        limits={"logits": (-30, 4)},
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    counts = np.resize([True, True, False], (b, 3))
    return {"logits": 2 * rng.standard_normal((b, 3, 5))}, {"counts": counts}


def _counts(case: Case) -> Array:
    logits = case.inputs["logits"]
    given = case.static.get("counts")
    return np.ones(logits.shape[:-1], bool) if given is None else given


@card.scale
def scale(logits: Array, *, counts: Array | None = None, dy: Array, fp: FloatInfo) -> Scales:
    """That of the log of a sum, squared; and of a softmax times it."""
    seen = np.ones(logits.shape[:-1], bool) if counts is None else counts
    x = rows(logits)
    p, c, log_total = softmax_errors(x, np.abs(np.where(np.isfinite(x), x, 0)))
    c = c * walk(x.shape[1])
    top = np.where(seen.reshape(-1, 1), x.max(-1, keepdims=True, initial=-np.inf), 0)
    error = np.abs(top) + log_total + (p * c).sum(-1, keepdims=True)  # (R, 1), of log_total
    whole = np.where(seen.reshape(-1, 1), np.abs(top + log_total), 0)
    squares = np.where(seen.reshape(-1, 1), whole * (whole + 2 * error), 0)
    d = np.abs(np.asarray(dy))
    dx = np.where(seen.reshape(-1, 1), 2 * d * p * (c * whole + error) + fp.tiny * (1 + d), 0)
    y = walk(len(x)) * squares.sum() + fp.tiny
    return {"y": np.asarray(y), "dlogits": dx.reshape(logits.shape)}


def _log_total(case: Case) -> Array:
    """(..., 1), in float64."""
    logits = case.inputs["logits"].astype(np.float64)
    top = logits.max(-1, keepdims=True, initial=-np.inf)
    return top + np.log(np.exp(logits - top).sum(-1, keepdims=True))


@card.invariant("a row's gradient sums to 2 log_total dloss", broken_by="factor-two-missing")
def _moves_the_row(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    total = result["dlogits"].astype(np.float64).sum(-1)
    expected = np.where(_counts(case), 2 * _log_total(case)[..., 0], 0) * float(case.dy)
    yield Finding(total, expected, scales["dlogits"].sum(-1))


@card.invariant("logits less their log_total cost nothing", broken_by="top-forgotten")
def _normalised(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Log-probabilities have a log_total of 0, up to their own rounding."""
    logits = case.inputs["logits"]
    less = logits.astype(np.float64) - _log_total(case)
    normal = np.where(_counts(case)[..., None], less, 0).astype(logits.dtype)
    found = component.run(case.with_inputs({"logits": normal}))
    eps = np.finfo(logits.dtype).eps
    size = np.abs(normal[np.isfinite(normal)].astype(np.float64)).max(initial=0) + logits.shape[-1]
    yield Finding(
        found["y"], 0.0, normal.size * eps * (4 * size) ** 2 + np.finfo(logits.dtype).tiny
    )


@card.invariant("what does not count has no gradient", broken_by="every-row-counts")
def _left_out(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dlogits"][~_counts(case)], 0.0, 0.0)


def _wrong_forward(name, wrong, change, **seen):
    """A wrong version whose cache is ``change(the right one, logits)``."""

    def forward(logits, *, counts=None):
        _, cache = z_loss_forward(logits, counts=counts)
        cache = change(cache, rows(logits))
        return np.asarray(np.vdot(cache.log_total, cache.log_total)), cache

    card.wrong_forward(name, wrong, **seen)(forward)


def _kept(cache: ZLossCache, log_total: Array) -> ZLossCache:
    return cache._replace(log_total=np.where(cache.log_total == 0, 0, log_total))


_wrong_forward(
    "log-missing",
    "the maximum is added to the sum, and not to its logarithm",
    lambda cache, x: _kept(cache, x.max(-1, initial=-np.inf) + cache.total),
)
_wrong_forward(
    "top-forgotten",
    "the maximum that was subtracted is not added again",
    lambda cache, x: _kept(cache, np.log(cache.total)),
)
_wrong_forward(
    "top-alone",
    "the largest logit is squared in the place of the log of the sum",
    lambda cache, x: _kept(cache, x.max(-1, initial=-np.inf)),
)


@card.wrong_forward("every-row-counts", "rows of padding are held near 0 too")
def _every(logits, *, counts=None):
    return z_loss_forward(logits)


@card.wrong_forward("mean-for-sum", "each part of a batch is divided by its own rows")
def _mean(logits, *, counts=None):
    y, cache = z_loss_forward(logits, counts=counts)
    number = max(len(cache.total) if counts is None else int(counts.sum()), 1)
    return np.asarray(y / number), cache._replace(total=cache.total * number)


def _wrong_backward(name, wrong, backward, **seen):
    """A wrong backward: ``backward(dloss, p, log_total)`` gives the rows."""

    def rowwise(dloss, cache):
        exps, total, log_total, shape = cache
        p = exps / total[:, None]
        dlogits = np.where(log_total[:, None] == 0, 0, backward(dloss, p, log_total[:, None]))
        return dlogits.astype(exps.dtype).reshape(shape)

    card.wrong_backward(name, wrong, **seen)(rowwise)


_wrong_backward("factor-two-missing", "the square's slope is log_total, not twice it",
                lambda d, p, z: d * z * p)  # fmt: skip
_wrong_backward("square-forgotten", "the gradient is that of log_total, not of its square",
                lambda d, p, z: d * 2 * p)  # fmt: skip
_wrong_backward("softmax-forgotten", "every class gets the same share of it",
                lambda d, p, z: d * 2 * z * np.full_like(p, 1 / p.shape[1]))  # fmt: skip
_wrong_backward("sign-lost", "log_total is made positive: a row below 0 is pushed down",
                lambda d, p, z: d * 2 * np.abs(z) * p)  # fmt: skip
_wrong_backward("centred", "each row's mean is taken off, as cross-entropy's gradient sums to 0",
                lambda d, p, z: d * 2 * z * (p - 1 / p.shape[1]))  # fmt: skip
_wrong_backward("upstream-ignored", "dloss is taken to be 1",
                lambda d, p, z: 2 * z * p)  # fmt: skip


@card.wrong_backward("not-divided", "exps stands where the softmax belongs")
def _not_divided(dloss, cache):
    return z_loss_backward(dloss, cache._replace(total=np.ones_like(cache.total)))
