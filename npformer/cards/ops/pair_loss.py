"""The card of Bradley and Terry's loss of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OWN_FORWARD, only
from npformer.cards.scales import FloatInfo, Scales, logistic, walk
from npformer.ops import pair_loss
from npformer.ops.pair_loss import PairLossCache, pair_loss_backward, pair_loss_forward

card = OpCard.of(pair_loss)
card.words = {"y": "-log sigmoid(m)", "dchosen": "-sigmoid(-m)", "drejected": "sigmoid(-m)"}
card.edge("no pairs", {"chosen": np.zeros(0), "rejected": np.zeros(0)})
card.edge("a tie", {"chosen": [1.0], "rejected": [1.0]})
card.edge("far apart", {"chosen": [500.0, -500.0, 40.0], "rejected": [-500.0, 500.0, 0.0]})


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    return {"chosen": rng.standard_normal(b), "rejected": rng.standard_normal(b)}, {}


@card.scale
def scale(chosen: Array, rejected: Array, *, dy: Array, fp: FloatInfo) -> Scales:
    """m is off by its own size; so is the logarithm, times its slope."""
    m, d = chosen - rejected, np.abs(np.asarray(dy))
    share = logistic(-m)  # of the error of m, that reaches the loss
    losses = np.logaddexp(0, -m) + share * np.abs(m)
    each = d * share * (1 + np.abs(m)) + fp.tiny * (1 + d)
    return {
        "y": np.asarray(walk(m.size) * losses.sum() + fp.tiny),
        "dchosen": each,
        "drejected": each,
    }


@card.invariant("what chosen gets, rejected loses", broken_by="rejected-frozen")
def _opposite(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dchosen"], -result["drejected"].astype(np.float64), scales["dchosen"])


@card.invariant("a pair and its reverse together: log 4 or more", broken_by="log-missing")
def _reverse(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """-log s - log(1 - s) is |m| and a term below; and of both, the gradients differ by dloss."""
    chosen, rejected = case.inputs["chosen"], case.inputs["rejected"]
    turned = case.with_inputs({"chosen": rejected, "rejected": chosen})
    other, size = of.run(turned), of.scales(turned)
    m = chosen.astype(np.float64) - rejected
    expected = (np.abs(m) + 2 * np.log1p(np.exp(-np.abs(m)))).sum()
    total = result["y"].astype(np.float64) + other["y"]
    yield Finding(total, expected, scales["y"] + size["y"] + np.abs(m).sum())


def _near(case: Case) -> bool:
    return bool((np.abs(case.inputs["chosen"] - case.inputs["rejected"]) < 3).all())


def _kept(chosen, rejected, losses):
    y, cache = pair_loss_forward(chosen, rejected)
    with np.errstate(all="ignore"):
        return np.asarray(losses(cache.m).sum(), y.dtype), cache


@card.wrong_forward(
    "log-of-sigmoid",
    "the logarithm is taken of the sigmoid as it reads: infinite where the sigmoid is 0",
    seen="deepspeedai/DeepSpeedExamples#423",
    smallest="chosen (1,), rejected (1,)",
    missed_by=only("rewards that are near each other", _near),
)
def _log_of_sigmoid(chosen, rejected):
    return _kept(chosen, rejected, lambda m: -np.log(1 / (1 + np.exp(-m))))


@card.wrong_forward(
    "exp-overflows",
    "log(1 + exp(-m)) as it reads: infinite for a large gap, 0 for a large lead",
    seen="OpenRLHF/OpenRLHF#1278",
    smallest="chosen (1,), rejected (1,)",
    missed_by=only("rewards that are near each other", _near),
)
def _overflows(chosen, rejected):
    return _kept(chosen, rejected, lambda m: np.log(1 + np.exp(-m)))


@card.wrong_forward(
    "log-missing",
    "the sigmoid is made large, and not its logarithm: a pair that is far wrong is let be",
    seen="HarderThenHarder/transformers_tasks#15",
    smallest="chosen (1,), rejected (1,)",
    missed_by=OWN_FORWARD,
)
def _no_log(chosen, rejected):
    y, cache = pair_loss_forward(chosen, rejected)
    slope = np.clip(logistic(cache.m) * logistic(-cache.m), 1e-300, None)
    as_if = (np.log1p(-slope) - np.log(slope)).astype(cache.m.dtype)  # whose sigmoid is the slope
    return np.asarray(-logistic(cache.m).sum(), y.dtype), PairLossCache(as_if)


@card.wrong_forward("mean-of-its-own", "each part of a batch is divided by its own pairs")
def _mean(chosen, rejected):
    y, cache = pair_loss_forward(chosen, rejected)
    return np.asarray(y / max(chosen.size, 1), y.dtype), cache


@card.wrong_forward("sum-for-difference", "the rewards are added")
def _sum(chosen, rejected):
    return pair_loss_forward(chosen, -rejected)


@card.wrong_backward("rejected-frozen", "rejected gets no gradient")
def _frozen(dloss, cache):
    dchosen, drejected = pair_loss_backward(dloss, cache)
    return dchosen, np.zeros_like(drejected)


@card.wrong_backward("as-if-right", "sigmoid(m) stands for sigmoid(-m): what is right learns most")
def _right(dloss, cache):
    return pair_loss_backward(dloss, PairLossCache(-cache.m))


@card.wrong_backward("slope-of-sigmoid", "the logarithm is not differentiated")
def _slope(dloss, cache):
    dm = -dloss * (logistic(cache.m) * logistic(-cache.m)).astype(cache.m.dtype)
    return dm, -dm


@card.wrong_backward("sign", "the loss is climbed")
def _sign(dloss, cache):
    dchosen, drejected = pair_loss_backward(dloss, cache)
    return drejected, dchosen


@card.wrong_backward("upstream-ignored", "dloss is taken for 1")
def _upstream(dloss, cache):
    return pair_loss_backward(np.ones_like(dloss), cache)
