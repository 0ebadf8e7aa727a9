"""The card of direct preference optimisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.op_card import OpCard
from npformer.cards.ordinary import Ordinary, option
from npformer.cards.scales import FloatInfo, Scales, logistic, walk
from npformer.cards.strategies import Source, draw_array
from npformer.ops import dpo_loss
from npformer.ops.dpo_loss import dpo_loss_backward, dpo_loss_forward
from npformer.ops.pair_loss import pair_loss_forward

REFERENCES = ("reference_chosen", "reference_rejected")

card = OpCard.of(dpo_loss)
card.words = {"y": "the loss of pairs", "dchosen": "beta (e - sigmoid(-m))"}
_NONE = np.zeros(0)
card.edge("no pairs", {"chosen": _NONE, "rejected": _NONE}, **dict.fromkeys(REFERENCES, _NONE))
card.edge(
    "the policy is the reference",
    {"chosen": [-3.0, -1.0], "rejected": [-2.0, -4.0]},
    reference_chosen=np.array([-3.0, -1.0]),
    reference_rejected=np.array([-2.0, -4.0]),
    label_smoothing=0.1,
)
card.edge(
    "far apart",
    {"chosen": [-1.0, -9000.0], "rejected": [-9000.0, -1.0]},
    **dict.fromkeys(REFERENCES, np.array([-5.0, -5.0])),
    beta=1.0,
)


@card.draw
def draw(source: Source, dtype: Any) -> Case:
    """References near and far, betas below and above 1, labels that may be wrong."""

    def static(sizes: dict[str, int]) -> dict[str, Any]:
        of = {n: np.array(draw_array(source, (sizes["p"],), np.dtype(dtype))) for n in REFERENCES}
        smoothing = source.choice((0.0, 0.1, 0.5))
        return {**of, "beta": source.choice((0.1, 1.0, 2.5)), "label_smoothing": smoothing}

    return draw_case(source, "p, p -> .", ("chosen", "rejected"), dtype, static=static)


@card.example
def _example(b: int, rng: np.random.Generator) -> Any:
    logs = -4 * rng.random((4, b))
    static = dict(zip(REFERENCES, logs[2:], strict=True))
    return {"chosen": logs[0], "rejected": logs[1]}, {**static, "label_smoothing": 0.1}


@card.scale
def scale(
    chosen: Array,
    rejected: Array,
    *,
    reference_chosen: Array,
    reference_rejected: Array,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    dy: Array,
    fp: FloatInfo,
) -> Scales:
    """m is off by the size of its four terms; sigmoids follow it by their slopes."""
    each, e = (chosen, rejected, reference_chosen, reference_rejected), label_smoothing
    error = beta * np.sum(np.abs(each), axis=0)
    m = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    d, wrong, right = np.abs(np.asarray(dy)), logistic(-m), logistic(m)
    losses = (1 - e) * (np.logaddexp(0, -m) + wrong * error)
    losses = losses + e * (np.logaddexp(0, m) + right * error)
    slope = beta * d * (e + wrong * (1 + error)) + fp.tiny * (1 + beta * d)
    return {
        "y": np.asarray(walk(m.size) * losses.sum() + fp.tiny),
        "dchosen": slope,
        "drejected": slope,
    }


@card.invariant("what chosen gets, rejected loses", broken_by="rejected-frozen")
def _opposite(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    yield Finding(result["dchosen"], -result["drejected"].astype(np.float64), scales["dchosen"])


@card.invariant(
    "a policy that is its reference costs log 2 a pair", broken_by="reference-forgotten"
)
def _begins(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    given = {n: np.array(case.inputs[n.removeprefix("reference_")]) for n in REFERENCES}
    alike = dataclasses.replace(case, static={**case.static, **given})
    count = case.inputs["chosen"].size
    yield Finding(of.run(alike)["y"], count * np.log(2), np.asarray(walk(count) * count + 0.0))


@card.invariant("labels that are wrong half of the time teach until m = 0", broken_by="one-sided")
def _half(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With e = 1/2 the loss does not change when chosen and rejected change places."""
    half = dataclasses.replace(case, static={**case.static, "label_smoothing": 0.5})
    turned = dataclasses.replace(
        half,
        inputs={"chosen": case.inputs["rejected"], "rejected": case.inputs["chosen"]},
        static={
            **half.static,
            "reference_chosen": case.static["reference_rejected"],
            "reference_rejected": case.static["reference_chosen"],
        },
    )
    sizes = of.scales(half)["y"] + of.scales(turned)["y"]
    yield Finding(of.run(half)["y"], of.run(turned)["y"].astype(np.float64), sizes)


def _same(case: Case) -> Case:
    static = {**case.static, "reference_rejected": case.static["reference_chosen"]}
    return dataclasses.replace(case, static=static)


@card.wrong_forward(
    "reference-forgotten",
    "the reference is left out: the policy is compared with nothing",
    seen="linkedin/Liger-Kernel#387",
    smallest="chosen (1,), rejected (1,), reference_chosen (1,), reference_rejected (1,)",
    missed_by=Ordinary("a reference that likes both answers alike", _same),
)
def _no_reference(chosen, rejected, reference_chosen, reference_rejected, **options):
    zero = np.zeros_like(reference_chosen)
    return dpo_loss_forward(chosen, rejected, zero, zero, **options)


@card.wrong_forward(
    "divided-by-beta",
    "the difference is divided by beta and not multiplied",
    seen="linkedin/Liger-Kernel#378",
    smallest="chosen (1,), rejected (1,), reference_chosen (1,), reference_rejected (1,)",
    missed_by=option("a beta of 1", beta=1.0),
)
def _divided(chosen, rejected, reference_chosen, reference_rejected, *, beta=0.1, **options):
    given = chosen, rejected, reference_chosen, reference_rejected
    return dpo_loss_forward(*given, beta=1 / beta, **options)


@card.wrong_forward(
    "smoothing-ignored",
    "label_smoothing is taken and not handed on",
    seen="huggingface/trl#7062",
    smallest="chosen (1,), rejected (1,), reference_chosen (1,), reference_rejected (1,)",
    missed_by=option("no label smoothing", label_smoothing=0.0),
)
def _unsmoothed(*given, label_smoothing=0.0, **options):
    return dpo_loss_forward(**_named(given, options))


def _named(given, options):
    names = ("chosen", "rejected", *REFERENCES)
    return {**dict(zip(names, given, strict=False)), **options}


@card.wrong_forward("reference-of-the-other", "each answer is compared with the other's reference")
def _crossed(chosen, rejected, reference_chosen, reference_rejected, **options):
    return dpo_loss_forward(chosen, rejected, reference_rejected, reference_chosen, **options)


@card.wrong_forward(
    "one-sided", "smoothing takes from the right label and gives nothing to the wrong"
)
def _one_sided(chosen, rejected, reference_chosen, reference_rejected, **options):
    given = chosen, rejected, reference_chosen, reference_rejected
    _, cache = dpo_loss_forward(*given, **options)
    right, _ = pair_loss_forward(cache.m, np.zeros_like(cache.m))
    return np.asarray((1 - cache.label_smoothing) * right, right.dtype), cache


@card.wrong_backward("rejected-frozen", "rejected gets no gradient")
def _frozen(dloss, cache):
    dchosen, drejected = dpo_loss_backward(dloss, cache)
    return dchosen, np.zeros_like(drejected)


@card.wrong_backward("beta-forgotten", "the gradient lacks beta")
def _no_beta(dloss, cache):
    dchosen, drejected = dpo_loss_backward(dloss, cache)
    beta = np.asarray(cache.beta, cache.m.dtype)
    return dchosen / beta, drejected / beta


@card.wrong_backward("smoothing-forgotten", "the gradient is that of labels that are all right")
def _sure(dloss, cache):
    return dpo_loss_backward(dloss, cache._replace(label_smoothing=0.0))


@card.wrong_backward("as-if-right", "sigmoid(m) stands for sigmoid(-m)")
def _right(dloss, cache):
    return dpo_loss_backward(dloss, cache._replace(m=-cache.m))


@card.wrong_backward("sign", "what was rejected is preferred")
def _sign(dloss, cache):
    dchosen, drejected = dpo_loss_backward(dloss, cache)
    return drejected, dchosen


@card.wrong_backward("upstream-ignored", "dloss is taken for 1")
def _upstream(dloss, cache):
    return dpo_loss_backward(np.ones_like(dloss), cache)
