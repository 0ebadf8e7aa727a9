"""The card of the experts' weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import option
from npformer.cards.pytorch import F, torch
from npformer.cards.routed import draw_choice
from npformer.cards.scales import FloatInfo, Scales, logistic, softmax_errors, walk
from npformer.cards.strategies import Source
from npformer.ops import expert_weights
from npformer.ops.expert_weights import (
    SCORINGS,
    affinity,
    expert_weights_backward,
    expert_weights_forward,
    log_affinity,
    log_slope,
    softplus,
)

card = OpCard.of(expert_weights)
card.owner = "MixtureOfExperts"
card.words = {"y": "the weights of the chosen", "dscores": "the scores' gradient"}


def _precise(scores: Any, chosen: Any, *, scoring: str, normalize: bool, scale: float = 1.0) -> Any:
    """By logarithms: PyTorch's derivative of a sigmoid, s (1 - s), is 0 where s rounds to 1."""
    if scoring == "sigmoid":
        a = F.logsigmoid(scores)
    elif scoring == "softmax":
        a = F.log_softmax(scores, -1)
    else:
        a = torch.logaddexp(scores, torch.zeros_like(scores)).log() / 2
    a = a.gather(-1, chosen)
    return scale * (torch.softmax(a, -1) if normalize else a.exp())


card.precise = _precise
card.variants = tuple(
    {"scoring": scoring, "normalize": normalize, "scale": 2.5}
    for scoring in SCORINGS
    for normalize in (True, False)
)
card.edge("one expert of one", {"scores": [[3.0], [-2.0]]}, chosen=np.array([[0], [0]]))
card.edge("one of three", {"scores": [[3.0, 1, 2]]}, chosen=np.array([[0]]))
card.edge(
    "scores that are shut",
    {"scores": [[-800.0, -900, -800]]},
    chosen=np.array([[0, 2]]),
    scoring="softmax",
)
card.edge("no tokens", {"scores": np.zeros((0, 3))}, chosen=np.zeros((0, 2), np.int64))
for _scoring in SCORINGS:
    card.edge(
        f"{_scoring} far from 0",
        {"scores": [[30.0, -30, -45, 50]]},
        chosen=np.array([[3, 1, 2]]),
        scoring=_scoring,
        normalize=True,
    )


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """Every scoring, shares and not, from one expert to all of them."""
    lead = source.choice(("b", "bt", ""))

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        experts = sizes["e"]
        k = source.integer(1, min(experts, 4))
        return {
            "chosen": draw_choice(source, tuple(sizes[a] for a in lead), experts, k),
            "scoring": source.choice(SCORINGS),
            "normalize": source.choice((True, False)),
            "scale": source.choice((1.0, 2.5)),
        }

    case = draw_case(
        source,
        f"{lead}e -> {lead}e",
        ("scores",),
        dtype,
        static=static,
        least={"e": 1},
        limits={"scores": (-310, 0)},
    )
    k = case.static["chosen"].shape[-1]
    return Case(case.inputs, case.static, case.dy[..., :k])


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    chosen = np.resize([[2, 0], [1, 3], [3, 0]], (b, 3, 2))
    return {"scores": rng.standard_normal((b, 3, 4))}, {"chosen": chosen}


@card.scale
def scale(
    scores: Array,
    chosen: Array,
    *,
    scoring: str = "softmax",
    normalize: bool = True,
    scale: float = 1.0,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """A softmax of the chosen, or a function of each; its product with a difference of dy."""
    x = np.take_along_axis(scores, chosen, -1)
    terms = walk(max(scores.shape[-1], 1))
    d = np.abs(scale * dy)
    p, c, _ = softmax_errors(scores, np.abs(scores) * (scoring == "softmax"))
    if normalize:
        a = log_affinity(x, scoring)
        w, own, _ = softmax_errors(a, np.abs(a) + (scoring != "softmax"))
        if scoring == "softmax":  # a twin divides probabilities, which have errors of their own
            own = own + np.take_along_axis(c, chosen, -1)
    elif scoring == "softmax":
        w, own = np.take_along_axis(p, chosen, -1), np.take_along_axis(c, chosen, -1)
    else:
        w, own = affinity(x, scoring), 1 + np.zeros_like(x)
    own = terms * own
    da = d * w * own
    if normalize:
        da = w * (
            own * d + own * (d * w).sum(-1, keepdims=True) + (d * w * own).sum(-1, keepdims=True)
        )
    slope = np.ones_like(x) if scoring == "softmax" else log_slope(x, scoring)
    if scoring == "sigmoid":
        slope = slope * (1 + logistic(x))  # a twin's 1 - s
    dscores = np.zeros(scores.shape)
    np.put_along_axis(dscores, chosen, da * slope, -1)
    if scoring == "softmax":
        dscores = dscores + p * c * da.sum(-1, keepdims=True)
    return {
        "y": scale * w * own + fp.tiny,
        "dscores": dscores + fp.tiny * (1 + d.sum(-1, keepdims=True)),
    }


def _normalized(case: Case) -> bool:
    return bool(case.static["normalize"])


@card.invariant("shares add up to the scale", broken_by="never-normalised")
def _shares(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if _normalized(case):
        total = result["y"].astype(np.float64).sum(-1)
        yield Finding(total, case.static["scale"], scales["y"].sum(-1))


@card.invariant("the share of one expert has no gradient at all", "denominator-held")
def _one(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """It is 1, whatever the score."""
    if _normalized(case) and case.static["chosen"].shape[-1] == 1:
        yield Finding(result["dscores"], 0.0, 0.0)


@card.invariant("what was not chosen has no gradient, but for a softmax's denominator",
                broken_by="every-expert-told")  # fmt: skip
def _others(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    if case.static["scoring"] == "softmax" and not _normalized(case):
        return
    other = np.ones(result["dscores"].shape, bool)
    np.put_along_axis(other, case.static["chosen"], False, -1)
    yield Finding(result["dscores"][other], 0.0, 0.0)


@card.invariant("of softmax, dscores sums to 0", broken_by="denominator-path-missing")
def _shift(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """The same number added to all scores of a token changes nothing."""
    if case.static["scoring"] == "softmax":
        total = result["dscores"].astype(np.float64).sum(-1)
        yield Finding(total, 0.0, scales["dscores"].sum(-1))


@card.wrong_forward(
    "always-normalised",
    "the softmax is of the chosen alone, whatever normalize says",
    seen="lablup/mlxcel#391",
    smallest="scores (2,), chosen (1,)",
    missed_by=option("shares", normalize=True),
)
def _always(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    normalize = normalize or scoring == "softmax"
    return expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale
    )


@card.wrong_forward(
    "never-normalised",
    "the weights of the chosen are not divided by their sum",
    seen="pytorch/torchtitan#1448",
    smallest="scores (1,), chosen (1,)",
    missed_by=option("no shares", normalize=False),
)
def _never(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    return expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=False, scale=scale
    )


@card.wrong_forward(
    "raw-scores",
    "without shares, the scores themselves are the weights",
    seen="sgl-project/sglang#35160",
    smallest="scores (1,), chosen (1,)",
    missed_by=option("shares", normalize=True),
)
def _raw(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    y, cache = expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale
    )
    return (y if normalize else scale * np.take_along_axis(scores, chosen, -1)), cache


@card.wrong_forward(
    "scale-of-shares-alone",
    "the scale is left out where the weights are no shares",
    seen="sgl-project/sglang-jax#1282",
    smallest="scores (1,), chosen (1,)",
    missed_by=option("shares", normalize=True),
)
def _shares_alone(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    scale = scale if normalize else 1.0
    return expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale
    )


@card.wrong_forward(
    "scaled-twice",
    "the scale is applied by the router and again to what the experts gave",
    seen="vllm-project/vllm#24119",
    smallest="scores (1,), chosen (1,)",
    missed_by=option("a scale of 1", scale=1.0),
)
def _scaled_twice(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    return expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale * scale
    )


@card.wrong_forward("shares-of-all", "shares are of the sum over all experts")
def _of_all(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    y, cache = expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale
    )
    if not normalize:
        return y, cache
    g = affinity(scores, scoring)
    w = np.take_along_axis(g, chosen, -1) / g.sum(-1, keepdims=True)
    return scale * w, cache


@card.wrong_forward("root-missing", "softplus is taken without its square root")
def _root(scores, chosen, *, scoring="softmax", normalize=True, scale=1.0):
    y, cache = expert_weights_forward(
        scores, chosen=chosen, scoring=scoring, normalize=normalize, scale=scale
    )
    if scoring != "sqrt_softplus":
        return y, cache
    w = softplus(np.take_along_axis(scores, chosen, -1))
    w = w / w.sum(-1, keepdims=True) if normalize else w
    return scale * w, cache


@card.wrong_backward("denominator-held", "the sum that shares are divided by is held constant")
def _held(dy, cache):
    return expert_weights_backward(dy, cache._replace(normalize=False))


@card.wrong_backward(
    "denominator-path-missing",
    "of a softmax over all experts, what reaches the others by its denominator is dropped",
)
def _no_denominator(dy, cache):
    return expert_weights_backward(dy, cache._replace(p=None))


@card.wrong_backward(
    "choice-blocked",
    "the router gets no gradient",
)
def _blocked(dy, cache):
    return np.zeros_like(expert_weights_backward(dy, cache))


@card.wrong_backward("order-of-the-scores", "the gradients stand in the order of the choice")
def _in_order(dy, cache):
    k = cache.chosen.shape[-1]
    in_order = np.broadcast_to(np.arange(k), cache.chosen.shape)
    return expert_weights_backward(dy, cache._replace(chosen=in_order))


@card.wrong_backward("scale-forgotten", "the gradient lacks the scale")
def _unscaled(dy, cache):
    return expert_weights_backward(dy, cache._replace(scale=1.0))


@card.wrong_backward("slope-forgotten", "the gradient is that of the affinity's logarithm")
def _no_slope(dy, cache):
    return expert_weights_backward(dy, cache._replace(slope=None))


@card.wrong_backward("every-expert-told", "the chosen experts' mean is taken off all the others")
def _told(dy, cache):
    dscores = expert_weights_backward(dy, cache)
    return dscores - dscores.sum(-1, keepdims=True) / max(cache.experts, 1)


@card.wrong_backward("single-precision", "the gradient is computed silently in float32")
def _float32(dy, cache):
    narrow = cache._replace(w=cache.w.astype(np.float32))
    return expert_weights_backward(dy.astype(np.float32), narrow).astype(dy.dtype)
