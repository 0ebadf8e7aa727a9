"""The card of distillation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, softmax_errors, walk
from npformer.cards.strategies import Source, draw_array
from npformer.ops import distillation
from npformer.ops.distillation import distillation_backward, distillation_forward

card = OpCard.of(distillation)
card.edge("no rows", {"logits": np.zeros((0, 3))}, teacher=np.zeros((0, 3)))
card.edge("one class", {"logits": [[1.0], [3.0]]}, teacher=np.array([[5.0], [0.0]]))
card.edge("student and teacher agree", {"logits": [[1.0, -2.0]]}, teacher=np.array([[4.0, 1.0]]))
card.edge("a hot row", {"logits": [[1.0, -2.0]]}, teacher=np.array([[4.0, 0.0]]), temperature=1e3)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Temperatures below and above 1, a teacher that agrees or does not, the reductions."""
    reduction = source.choice(("mean", "sum", "none"))
    lead = source.choice(("b", "bt", ""))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        shape = tuple(sizes[a] for a in lead + "v")
        return {
            "teacher": np.array(draw_array(source, shape, np.dtype(dtype))),
            "temperature": source.choice((1.0, 2.0, 0.5, 10.0)),
            "reduction": reduction,
        }

    output = lead if reduction == "none" and lead else "."
    return draw_case(
        source, f"{lead}v -> {output}", ("logits",), dtype, static=static, least={"v": 1}
    )


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    static = {"teacher": rng.standard_normal((b, 3, 6)), "temperature": 2.0}
    return {"logits": rng.standard_normal((b, 3, 6))}, static


@card.scale
def scale(
    logits: Array,
    *,
    teacher: Array,
    temperature: float,
    reduction: str,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """Two log-softmaxes' errors, weighted by q; a difference of two softmaxes."""
    x, t, vocab = logits / temperature, teacher / temperature, logits.shape[-1]
    p, cp, student = softmax_errors(x, np.abs(x))
    q, cq, given = softmax_errors(t, np.abs(t))
    cp, cq = cp * walk(vocab), cq * walk(vocab)

    def logs(a: Array, w: Array, c: Array, total: Array) -> Array:
        shifted = np.abs(a - a.max(-1, keepdims=True, initial=-np.inf))
        return shifted + np.abs(a) + total + (w * c).sum(-1, keepdims=True)

    apart = logs(x, p, cp, student) + logs(t, q, cq, given)
    losses = temperature**2 * walk(vocab) * (q * cq * apart).sum(-1)
    count = max(losses.size, 1) if reduction == "mean" else 1
    d = np.abs(np.asarray(dy))
    d = (d[..., None] if reduction == "none" else d) / count
    dlogits = temperature * d * (p * cp + q * cq) + fp.tiny * (1 + d)
    if reduction == "none":
        return {"y": losses + fp.tiny, "dlogits": dlogits}
    y = walk(losses.size) * losses.sum() / count + fp.tiny
    return {"y": np.asarray(y), "dlogits": dlogits}


@card.invariant("dlogits sums to 0", broken_by="teacher-scaled")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Adding a constant to a row of logits changes nothing."""
    dlogits = result["dlogits"].astype(np.float64)
    yield Finding(dlogits.sum(-1), 0.0, scales["dlogits"].sum(-1))


@card.invariant("a student that is its own teacher costs nothing", broken_by="cross-entropy")
def _alike(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    logits = case.inputs["logits"]
    alike = Case(case.inputs, {**case.static, "teacher": np.array(logits)}, case.dy)
    own = of.run(alike)
    for name, size in of.scales(alike).items():
        yield Finding(own[name].astype(np.float64), 0.0, size)


def _weighed(cache, dloss, of):
    d = np.asarray(dloss, cache.p.dtype).reshape(-1, 1) / cache.divisor
    return np.asarray(d * of, cache.p.dtype).reshape(cache.shape)


@card.wrong_forward("squared-temperature-missing", "the loss lacks T^2: hotter is weaker")
def _weak(logits, teacher, *, temperature=1.0, reduction="mean"):
    y, cache = distillation_forward(logits, teacher, temperature=temperature, reduction=reduction)
    return np.asarray(y / temperature**2, y.dtype), cache


@card.wrong_backward("inner-temperature-missing", "the gradient has T^2 and not the 1 / T of x")
def _strong(dloss, cache):
    return distillation_backward(dloss, cache) * np.asarray(cache.temperature, cache.p.dtype)


@card.wrong_backward("temperature-missing", "the gradient is p - q at any temperature")
def _plain(dloss, cache):
    return _weighed(cache, dloss, cache.p - cache.q)


@card.wrong_backward("reversed", "the gradient is that of KL(p, q)")
def _reversed(dloss, cache):
    with np.errstate(all="ignore"):
        apart = np.where(cache.p > 0, np.log(cache.p) - np.log(cache.q), 0)
    mean = (cache.p * apart).sum(-1, keepdims=True)
    return _weighed(cache, dloss, cache.temperature * cache.p * (apart - mean))


@card.wrong_forward("cross-entropy", "the teacher's entropy is not subtracted: agreement costs")
def _entropy(logits, teacher, *, temperature=1.0, reduction="mean"):
    y, cache = distillation_forward(logits, teacher, temperature=temperature, reduction=reduction)
    entropy = -np.where(cache.q > 0, cache.q * np.log(np.where(cache.q > 0, cache.q, 1)), 0).sum(-1)
    more = temperature**2 * entropy
    if reduction == "none":
        return np.asarray(y + more.reshape(y.shape), y.dtype), cache
    return np.asarray(y + more.sum() / cache.divisor, y.dtype), cache


@card.wrong_forward("mean-over-classes", "the mean is over rows and classes")
def _classes(logits, teacher, *, temperature=1.0, reduction="mean"):
    y, cache = distillation_forward(logits, teacher, temperature=temperature, reduction=reduction)
    if reduction != "mean":
        return y, cache
    count = logits.shape[-1]
    return np.asarray(y / count, y.dtype), cache._replace(divisor=cache.divisor * count)


@card.wrong_backward("teacher-scaled", "the teacher's distribution is not flattened")
def _sharp(dloss, cache):
    q = cache.q**cache.temperature
    return distillation_backward(dloss, cache._replace(q=q.astype(cache.q.dtype)))


@card.wrong_backward("sign", "the gradient is q - p")
def _sign(dloss, cache):
    return -distillation_backward(dloss, cache)


@card.wrong_backward("upstream-ignored", "the upstream gradient is taken for 1")
def _upstream(dloss, cache):
    return distillation_backward(np.ones_like(dloss), cache)


@card.wrong_backward("not-divided", "the mean's gradient is the sum's")
def _undivided(dloss, cache):
    return distillation_backward(dloss, cache._replace(divisor=1))
