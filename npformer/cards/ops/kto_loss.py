"""The card of KTO's loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.scales import FloatInfo, Scales, logistic, walk
from npformer.cards.strategies import Source, draw_array, draw_rng
from npformer.ops import kto_loss
from npformer.ops.kto_loss import kto_loss_backward, kto_loss_forward

card = OpCard.of(kto_loss)
card.words = {"y": "w sigmoid(-u) of all", "dlog_probs": "-w s beta sigmoid(u) sigmoid(-u)"}
card.edge(
    "no answers",
    {"log_probs": np.zeros(0)},
    reference=np.zeros(0),
    desirable=np.zeros(0, bool),
)
card.edge(
    "the policy is the reference",
    {"log_probs": [-3.0, -1.0]},
    reference=np.array([-3.0, -1.0]),
    desirable=np.array([True, False]),
)
card.edge(
    "far apart",
    {"log_probs": [-1.0, -9000.0, -1.0, -9000.0]},
    reference=np.array([-5.0] * 4),
    desirable=np.array([True, True, False, False]),
    beta=1.0,
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """References near and far, both judgements, weights and baselines."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        rng = draw_rng(source)
        return {
            "reference": np.array(draw_array(source, (sizes["a"],), np.dtype(dtype))),
            "desirable": rng.random(sizes["a"]) < source.choice((0.5, 0.0, 1.0)),
            "beta": source.choice((0.1, 1.0, 2.5)),
            "baseline": source.choice((0.0, 0.3)),
            "desirable_weight": source.choice((1.0, 1.5)),
            "undesirable_weight": source.choice((1.0, 0.5)),
        }

    return draw_case(source, "a -> .", ("log_probs",), dtype, static=static)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    log_probs, reference = -4 * rng.random((2, b))
    judged = np.resize([True, False, False], b)
    weights = {"desirable_weight": 1.5, "undesirable_weight": 0.5}
    return {"log_probs": log_probs}, {"reference": reference, "desirable": judged, **weights}


@card.scale
def scale(
    log_probs: Array,
    *,
    reference: Array,
    desirable: Array,
    beta: float = 0.1,
    baseline: float = 0.0,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """u is off by the size of its terms; sigmoids follow it by their slopes."""
    error = beta * (np.abs(log_probs) + np.abs(reference)) + abs(baseline)
    s = np.where(desirable, 1, -1)
    w = np.abs(np.where(desirable, desirable_weight, undesirable_weight))
    u = s * (beta * (log_probs - reference) - baseline)
    wrong, right, d = logistic(-u), logistic(u), np.abs(np.asarray(dy))
    losses = w * wrong * (1 + right * error)
    return {
        "y": np.asarray(walk(u.size) * losses.sum() + fp.tiny * (1 + u.size)),
        "dlog_probs": d * w * beta * wrong * right * (2 + error) + fp.tiny * (1 + d * w * beta),
    }


@card.invariant("a policy that is its reference costs half of all weights", broken_by="no-half")
def _begins(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    given = {"reference": np.array(case.inputs["log_probs"]), "baseline": 0.0}
    alike = dataclasses.replace(case, static={**case.static, **given})
    static = case.static
    weights = (static.get(f"{kind}_weight", 1.0) for kind in ("desirable", "undesirable"))
    total = np.where(static["desirable"], *weights).sum()
    size = walk(case.inputs["log_probs"].size) * abs(total)
    yield Finding(of.run(alike)["y"], total / 2, np.asarray(size + 0.0))


@card.invariant("judged the other way round, loss and complement", broken_by="one-judgement")
def _turned(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """sigmoid(-u) + sigmoid(u) = 1: with equal weights, both judgements cost w an answer."""
    even = {"desirable_weight": 1.0, "undesirable_weight": 1.0}
    here = dataclasses.replace(case, static={**case.static, **even})
    there = dataclasses.replace(
        here, static={**here.static, "desirable": ~here.static["desirable"]}
    )
    total = of.run(here)["y"].astype(np.float64) + of.run(there)["y"]
    count = case.inputs["log_probs"].size
    sizes = of.scales(here)["y"] + of.scales(there)["y"]
    yield Finding(total, np.asarray(float(count)), sizes + walk(count) * count)


@card.wrong_forward("reference-forgotten", "the reference is left out")
def _no_reference(log_probs, *, reference, **given):
    return kto_loss_forward(log_probs, reference=np.zeros_like(reference), **given)


@card.wrong_forward("one-judgement", "every answer is taken for a desirable one")
def _one(log_probs, *, desirable, **given):
    return kto_loss_forward(log_probs, desirable=np.ones_like(desirable), **given)


@card.wrong_forward("weights-ignored", "the weights are taken and not handed on")
def _weightless(log_probs, *, desirable_weight=1.0, undesirable_weight=1.0, **given):
    return kto_loss_forward(log_probs, **given)


@card.wrong_forward("baseline-turned", "an undesirable answer's baseline keeps its sign")
def _turned_baseline(log_probs, *, desirable, baseline=0.0, **given):
    y, cache = kto_loss_forward(log_probs, desirable=desirable, baseline=baseline, **given)
    u = np.where(desirable, cache.u, cache.u - 2 * baseline).astype(cache.u.dtype)
    w = np.where(desirable, cache.slope, -cache.slope) / given.get("beta", 0.1)
    return np.asarray((w * logistic(-u)).sum(), y.dtype), cache._replace(u=u)


@card.wrong_forward("no-half", "the loss is the logarithm of the sigmoid, as DPO's")
def _logarithm(log_probs, **given):
    y, cache = kto_loss_forward(log_probs, **given)
    w = np.abs(cache.slope) / given.get("beta", 0.1)
    return np.asarray((w * np.logaddexp(0, -cache.u)).sum(), y.dtype), cache


@card.wrong_forward("mean-of-its-own", "each part of a batch is divided by its own answers")
def _mean(log_probs, **given):
    y, cache = kto_loss_forward(log_probs, **given)
    return np.asarray(y / max(log_probs.size, 1), y.dtype), cache


@card.wrong_backward("sign-of-judgement", "what is undesirable is learned too")
def _all_good(dloss, cache):
    return kto_loss_backward(dloss, cache._replace(slope=np.abs(cache.slope)))


@card.wrong_backward("logarithm", "the slope is that of -log sigmoid(u)")
def _of_logarithm(dloss, cache):
    return -dloss * cache.slope * logistic(-cache.u).astype(cache.u.dtype)


@card.wrong_backward("climbed", "the loss is made large")
def _climbed(dloss, cache):
    return -kto_loss_backward(dloss, cache)


@card.wrong_backward("upstream-ignored", "dloss is taken for 1")
def _upstream(dloss, cache):
    return kto_loss_backward(np.ones_like(dloss), cache)
