"""The card of GRPO's loss."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import OWN_FORWARD, only
from npformer.cards.scales import FloatInfo, Scales, walk
from npformer.cards.strategies import Source, draw_rng
from npformer.ops import grpo_loss
from npformer.ops.grpo_loss import GrpoLossCache, grpo_loss_backward, grpo_loss_forward

card = OpCard.of(grpo_loss)
card.words = {"y": "the clipped gain, less the KL", "dlog_probs": "its slope"}
card.edge(
    "no answers", {"log_probs": np.zeros((0, 2))}, old=np.zeros((0, 2)), advantages=np.zeros(0)
)
card.edge(
    "nothing counts",
    {"log_probs": [[-1.0, -2.0]]},
    old=np.array([[-1.5, -2.0]]),
    advantages=np.array([1.0]),
    counts=np.array([[False, False]]),
    per="sequence",
)
card.edge(
    "at both bounds",
    {"log_probs": [[-1.0], [-2.0], [-1.0]]},
    old=np.array([[-1.0], [-2.0], [-1.0]]),
    advantages=np.array([1.0, -1.0, 0.0]),
    clip_low=0.0,
    clip_high=0.0,
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Ratios on all sides of the bounds but not near one, padding, and every share."""
    low, high = source.choice(((0.2, 0.2), (0.1, 0.28)))
    case = draw_case(source, "bt -> .", ("log_probs",), dtype, limits={"log_probs": (-30, 1)})
    log_probs, rng = case.inputs["log_probs"], draw_rng(source)
    moved = rng.uniform(-1, 1, log_probs.shape)
    for bound in (np.log(1 - low), np.log(1 + high)):
        moved = np.where(np.abs(moved - bound) < 0.04, moved + 0.08, moved)
    static: dict[str, Any] = {
        "old": (log_probs - moved).astype(dtype),
        "advantages": rng.standard_normal(len(log_probs)).astype(dtype),
        "counts": rng.random(log_probs.shape) < source.choice((0.7, 1.0, 0.0)),
        "clip_low": low,
        "clip_high": high,
        "per": source.choice(("token", "sequence", 7)),
    }
    if source.choice((True, False)):
        away = rng.uniform(-2, 2, log_probs.shape)
        static |= {"reference": (log_probs + away).astype(dtype), "beta": 0.04}
    return dataclasses.replace(case, static=static)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    log_probs = -3 * rng.random((b, 4))
    static = {
        "old": log_probs - np.resize([0.5, -0.5, 0.1, 0.0], (b, 4)),
        "advantages": np.resize([1.0, -0.5, -1.5], b),
        "counts": np.resize([True, True, True, True, False], (b, 4)),
        "reference": log_probs + 0.3,
        "beta": 0.1,
        "per": "sequence",
    }
    return {"log_probs": log_probs}, static


def _counted(case: Case) -> Array:
    given = case.static.get("counts")
    return np.ones(case.inputs["log_probs"].shape, bool) if given is None else given


_forward = inspect.unwrap(card.pair[0])


@card.scale
def scale(log_probs: Array, *, dy: Array, fp: FloatInfo, **given: Any) -> Scales:
    """An exponential of a difference; each share times its terms."""
    _, cache = _forward(log_probs, **given)
    counts, reference = given.get("counts"), given.get("reference")
    counted = np.ones(log_probs.shape, bool) if counts is None else counts
    moved = np.where(counted, log_probs - given["old"], 0)
    low, high = given.get("clip_low", 0.2), given.get("clip_high", 0.2)
    held = np.clip(np.exp(moved), 1 - low, 1 + high)
    size = np.abs(given["advantages"])[:, None] * np.ones(log_probs.shape)
    gain = held * size + np.abs(cache.gain_slope) * (1 + np.abs(moved))
    slope = np.abs(cache.gain_slope) * (2 + np.abs(moved))
    if reference is not None:
        r, beta = np.where(counted, reference - log_probs, 0), given.get("beta", 0.0)
        off = np.abs(np.expm1(r)) + np.exp(r) * np.abs(r)
        gain, slope = gain + beta * (off + np.abs(r)), slope + beta * off
    d = np.abs(np.asarray(dy))
    return {
        "y": np.asarray(walk(log_probs.size) * (cache.share * gain).sum() + fp.tiny),
        "dlog_probs": d * cache.share * slope + fp.tiny * (1 + d),
    }


@card.invariant("what does not count has no gradient", broken_by="padding-counts")
def _left_out(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dlog_probs"][~_counted(case)], 0.0, 0.0)


@card.invariant("answers add up, however a batch is cut between them", "divided-by-its-own-tokens")
def _adds_up(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    total, size = np.zeros(()), np.zeros(())
    counts = _counted(case)
    for first in (True, False):
        rows = (np.arange(len(counts))[:, None] % 2 == 0) == first
        part = dataclasses.replace(case, static={**case.static, "counts": counts & rows})
        total, size = total + of.run(part)["y"], size + of.scales(part)["y"]
    yield Finding(total, result["y"].astype(np.float64), size + scales["y"])


@card.invariant("beyond the bounds, where going on pays, there is no gradient", "not-clipped")
def _bounded(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static.get("reference") is not None:
        return
    static, d = case.static, result["dlog_probs"]
    moved = case.inputs["log_probs"].astype(np.float64) - static["old"]
    worth = static["advantages"][:, None] * np.ones(d.shape)
    above = (moved > np.log(1 + static.get("clip_high", 0.2)) + 0.01) & (worth > 0)
    below = (moved < np.log(1 - static.get("clip_low", 0.2)) - 0.01) & (worth < 0)
    yield Finding(d[above | below], 0.0, 0.0)


def _one_token(case: Case) -> bool:
    return bool(_counted(case).sum() <= 1)


@card.wrong_forward(
    "negated-twice",
    "the loss, which is the gain's negative, is negated again: the policy learns what does worst",
    seen="fla-org/flash-linear-attention#1073",
    smallest="log_probs (1, 1), old (1, 1), advantages (1,)",
    missed_by=OWN_FORWARD,
)
def _negated(log_probs, **given):
    y, cache = grpo_loss_forward(log_probs, **given)
    return -y, cache._replace(share=-cache.share)


@card.wrong_forward(
    "divided-by-its-own-tokens",
    "each part of a batch is divided by its own tokens, where all tokens are to weigh the same",
    seen="allenai/open-instruct#1161",
    smallest="log_probs (1, 2), old (1, 2), advantages (1,)",
    missed_by=only("one token in all", _one_token),
)
def _own_tokens(log_probs, **given):
    y, cache = grpo_loss_forward(log_probs, **given)
    if given.get("per", "token") != "token":
        return y, cache
    tokens = np.asarray(max(int((cache.share != 0).sum()), 1), y.dtype)
    return np.asarray(y / tokens), cache._replace(share=cache.share / tokens)


@card.wrong_forward("never-clipped", "the ratio is not held: min(r A, clip(r) A) is taken for r A")
def _never(log_probs, **given):
    return grpo_loss_forward(log_probs, **{**given, "clip_low": 1.0, "clip_high": 1e30})


@card.wrong_forward("not-clipped", "gain has a slope where it is clipped")
def _not_clipped(log_probs, **given):
    return grpo_loss_forward(log_probs, **given)[0], _never(log_probs, **given)[1]


@card.wrong_forward("one-clip-for-both", "the lower bound is used above too")
def _one_clip(log_probs, **given):
    return grpo_loss_forward(log_probs, **{**given, "clip_high": given.get("clip_low", 0.2)})


@card.wrong_forward("padding-counts", "padding is counted")
def _padding(log_probs, **given):
    return grpo_loss_forward(log_probs, **{**given, "counts": None})


@card.wrong_forward(
    "kl-turned", "r is log_probs - reference: the estimate is that of another sample"
)
def _turned(log_probs, **given):
    reference = given.get("reference")
    if reference is None:
        return grpo_loss_forward(log_probs, **given)
    return grpo_loss_forward(log_probs, **{**given, "reference": 2 * log_probs - reference})


@card.wrong_backward("kl-of-k1", "the KL's slope is beta: that of log_probs - reference alone")
def _k1(dloss, cache):
    if cache.kl_slope is None:
        return grpo_loss_backward(dloss, cache)
    beta = np.abs(cache.kl_slope).max(initial=0)
    return grpo_loss_backward(dloss, cache._replace(kl_slope=np.full_like(cache.kl_slope, beta)))


@card.wrong_backward("kl-detached", "the KL gets no gradient")
def _detached(dloss, cache):
    return grpo_loss_backward(dloss, GrpoLossCache(cache.share, cache.gain_slope, None))


@card.wrong_backward("share-forgotten", "the gradient is not divided by the answer's tokens")
def _share(dloss, cache):
    share = (cache.share != 0).astype(cache.share.dtype)
    return grpo_loss_backward(dloss, cache._replace(share=share))


@card.wrong_backward("sign", "the gain is made small")
def _sign(dloss, cache):
    return -grpo_loss_backward(dloss, cache)


@card.wrong_backward("upstream-ignored", "dloss is taken for 1")
def _upstream(dloss, cache):
    return grpo_loss_backward(np.ones_like(dloss), cache)
