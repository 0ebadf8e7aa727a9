"""The card of cross-entropy against distributions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.pytorch import ops, torch
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import soft_cross_entropy
from npformer.ops.soft_cross_entropy import (
    soft_cross_entropy_backward,
    soft_cross_entropy_forward,
)

card = OpCard.of(soft_cross_entropy)
card.edge("no rows", {"logits": np.zeros((0, 3)), "targets": np.zeros((0, 3))})
card.edge("one class", {"logits": [[1.0], [3.0]], "targets": [[1.0], [0.5]]})


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Distributions, one-hot rows, rows that do not add up to 1, some of them negative."""
    reduction = source.choice(("mean", "sum", "none"))
    lead = source.choice(("b", "bt", ""))
    output = lead if reduction == "none" and lead else "."
    case = draw_case(
        source,
        f"{lead}v, {lead}v -> {output}",
        ("logits", "targets"),
        dtype,
        static=lambda sizes: {"reduction": reduction},
        least={"v": 1},
        limits={"targets": (-30, 5)},
    )
    kind, shape = source.choice(("distribution", "one-hot", "any")), case.inputs["targets"].shape
    if kind == "any":
        return case
    rng = draw_rng(source)
    if kind == "one-hot":
        return case.with_inputs({"targets": np.eye(shape[-1], dtype=dtype)[
            rng.integers(0, shape[-1], shape[:-1])]})  # fmt: skip
    q = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return case.with_inputs({"targets": q.astype(dtype)})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {
        "logits": rng.standard_normal((b, 3, 6)),
        "targets": rng.dirichlet(np.ones(6), (b, 3)),
    }, {}


@card.scale
def scale(logits: Array, targets: Array, *, reduction: str, dy: Array, fp: FloatInfo) -> Scales:
    """The errors of log-softmax, each times its target."""
    p, c, log_total = softmax_errors(logits, 0.0)
    q, vocab = np.abs(targets), logits.shape[-1]
    shifted = np.abs(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    nll = shifted + log_total + walk(vocab) * (p * c).sum(-1, keepdims=True)  # (..., V)
    losses = walk(vocab) * np.where(q > 0, q * nll, 0.0).sum(-1)
    mass = walk(vocab) * q.sum(-1, keepdims=True)
    count = max(losses.size, 1) if reduction == "mean" else 1
    d = np.abs(np.asarray(dy))
    d = (d[..., None] if reduction == "none" else d) / count
    gradients = {
        "dlogits": (mass * p * c * walk(vocab) + q) * d + fp.tiny * (1 + d),
        "dtargets": nll * d + fp.tiny * (1 + d),
    }
    if reduction == "none":
        return {"y": losses + fp.tiny, **gradients}
    y = walk(losses.size) * losses.sum() / count + fp.tiny
    return {"y": np.asarray(y), **gradients}


def _precise(logits: torch.Tensor, targets: torch.Tensor, *, reduction: str) -> torch.Tensor:
    """PyTorch's loss, but for no rows, whose mean is 0 here."""
    if not logits.numel():
        return (logits * targets).sum(-1) if reduction == "none" else (logits * targets).sum()
    return ops.soft_cross_entropy(logits, targets, reduction=reduction)


card.precise = _precise


@card.invariant("dlogits sums to 0", broken_by="mass-forgotten")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Adding a constant to a row of logits changes nothing."""
    dlogits = result["dlogits"].astype(np.float64)
    yield Finding(dlogits.sum(-1), 0.0, scales["dlogits"].sum(-1))


@card.invariant("<dtargets, targets> is the loss times its gradient", broken_by="targets-detached")
def _linear(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The loss is linear in the targets."""
    q = case.inputs["targets"].astype(np.float64)
    each = np.where(q == 0, 0, result["dtargets"].astype(np.float64) * q)
    size = np.where(q == 0, 0, scales["dtargets"] * np.abs(q)).sum()
    loss = (result["y"].astype(np.float64) * case.dy).sum()
    yield Finding(each.sum(), loss, size + (scales["y"] * np.abs(case.dy)).sum())


@card.wrong_backward("mass-forgotten", "the targets are taken from p, not from their sum times p")
def _mass(dloss, cache):
    d = np.asarray(dloss, cache.logp.dtype).reshape(-1, 1) / cache.divisor
    dtargets = soft_cross_entropy_backward(dloss, cache)[1]
    return (d * (np.exp(cache.logp) - cache.targets)).reshape(cache.shape), dtargets


@card.wrong_backward("targets-detached", "the targets get no gradient")
def _detached(dloss, cache):
    dlogits, dtargets = soft_cross_entropy_backward(dloss, cache)
    return dlogits, np.zeros_like(dtargets)


@card.wrong_backward("targets-get-p", "the targets' gradient is -p, not -log p")
def _not_log(dloss, cache):
    dlogits, _ = soft_cross_entropy_backward(dloss, cache)
    d = np.asarray(dloss, cache.logp.dtype).reshape(-1, 1) / cache.divisor
    return dlogits, (-d * np.exp(cache.logp)).reshape(cache.shape)


@card.wrong_backward("sign", "the gradient is targets - p")
def _sign(dloss, cache):
    dlogits, dtargets = soft_cross_entropy_backward(dloss, cache)
    return -dlogits, dtargets


@card.wrong_backward(
    "largest-target-alone", "only the likeliest target is trained, as if it were all"
)
def _argmax(dloss, cache):
    hard = np.eye(cache.shape[-1], dtype=cache.logp.dtype)[cache.targets.argmax(-1)]
    dtargets = soft_cross_entropy_backward(dloss, cache)[1]
    hard = hard.reshape(cache.targets.shape) * cache.targets.sum(-1, keepdims=True)
    return soft_cross_entropy_backward(dloss, cache._replace(targets=hard))[0], dtargets


@card.wrong_backward("not-divided", "the mean's gradient is the sum's")
def _undivided(dloss, cache):
    return soft_cross_entropy_backward(dloss, cache._replace(divisor=1))


@card.wrong_backward("upstream-ignored", "the upstream gradient is taken for 1")
def _upstream(dloss, cache):
    return soft_cross_entropy_backward(np.ones_like(dloss), cache)


@card.wrong_forward("mean-over-classes", "the mean is over rows and classes")
def _classes(logits, targets, *, reduction="mean"):
    y, cache = soft_cross_entropy_forward(logits, targets, reduction=reduction)
    if reduction != "mean":
        return y, cache
    count = logits.shape[-1]
    return np.asarray(y / count, y.dtype), cache._replace(divisor=cache.divisor * count)


@card.wrong_forward("targets-normalised", "rows of targets are made to add up to 1")
def _normalised(logits, targets, *, reduction="mean"):
    mass = np.abs(targets).sum(-1, keepdims=True)
    return soft_cross_entropy_forward(
        logits, targets / np.where(mass == 0, 1, mass), reduction=reduction
    )


@card.wrong_forward("no-max", "the maximum is not subtracted, and exp overflows")
def _no_max(logits, targets, *, reduction="mean"):
    y, cache = soft_cross_entropy_forward(logits, targets, reduction=reduction)
    x = logits.reshape(cache.logp.shape)
    with np.errstate(all="ignore"):
        return y, cache._replace(logp=x - np.log(np.exp(x).sum(-1, keepdims=True)))
