"""The card of AdEMAMix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.invariant import Finding
from npformer.cards.optimizer_card import OptimizerCard, Settings, changed, weight_after
from npformer.optim.adamw import AdamW
from npformer.optim.ademamix import AdEMAMix, ademamix_update, warmed_beta, warmed_factor

card = OptimizerCard.of(AdEMAMix)
card.static = {
    "beta2, eps": ((0.999, 1e-8), (0.9, 1e-3)),
    "beta1": (0.9, 0.0),
    "beta3": (0.9999, 0.99),
    "slow_factor": (5.0, 8.0),
    "slow_warmup": (0, 3, 100),
    "weight_decay": (0.0, 0.1),
}


@card.scale
def _scale(weight: Array, gradients: Array, s: Settings) -> Array:
    """As Adam's, with both means of sizes in the numerator."""
    total, (m, slow, v) = np.abs(weight), (np.zeros_like(weight) for _ in range(3))
    for step, gradient in enumerate(gradients, 1):
        beta3 = warmed_beta(step, s["beta1"], s["beta3"], s["slow_warmup"])
        factor = warmed_factor(step, s["slow_factor"], s["slow_warmup"])
        size = np.abs(gradient)
        m = s["beta1"] * m + (1 - s["beta1"]) * size
        slow = beta3 * slow + (1 - beta3) * size
        v = s["beta2"] * v + (1 - s["beta2"]) * gradient**2
        root = np.sqrt(v / (1 - s["beta2"] ** step)) + s["eps"]
        quotient = (m / (1 - s["beta1"] ** step) + factor * slow) / root
        total = total + s["learning_rate"] * quotient * 2
        # The decay's factor is rounded alike at every step.
        total = total + np.abs(weight) / 2 * (s["weight_decay"] > 0)
    return total


@card.invariant("what gets no gradient only decays", broken_by="decay-coupled")
def _still(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    s, (weight,) = case.static, case.inputs.values()
    idle = ~s["gradients"].any(axis=0)
    left = weight.astype(np.float64) * (1 - s["learning_rate"] * s["weight_decay"]) ** len(
        s["gradients"]
    )
    yield Finding(result["y"].astype(np.float64)[idle], left[idle], scales["y"][idle])


@card.invariant("without its slow mean it is AdamW", broken_by="fast-mean-uncorrected")
def _adamw(of: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    own = of.run(changed(case, slow_factor=0.0))["y"].astype(np.float64)
    names = ("beta1", "beta2", "eps", "weight_decay")
    other = weight_after(AdamW, case, **{name: case.static[name] for name in names})
    yield Finding(own, other.astype(np.float64), 2 * scales["y"])


def _step(name: str, wrong: str, **seen: Any) -> Any:
    return card.wrong_method(name, wrong, ademamix_update, **seen)


def _formula(numerator: Any, root: Any = None, coupled: bool = False) -> Any:
    """The step with another numerator (m, slow, c1, t, settings), or root (v, c2, eps)."""

    def update(weight, gradient, m, slow, v, spare, *, step, learning_rate, **s):
        if coupled:
            gradient += s["weight_decay"] * weight
        m += (1 - s["beta1"]) * (gradient - m)
        slow += (1 - s["beta3"]) * (gradient - slow)
        v += (1 - s["beta2"]) * (gradient**2 - v)
        c1, c2 = 1 - s["beta1"] ** step, 1 - s["beta2"] ** step
        below = root(v, c2, s["eps"]) if root else np.sqrt(v / c2) + s["eps"]
        if not coupled:
            weight *= 1 - learning_rate * s["weight_decay"]
        weight -= learning_rate * numerator(m, slow, c1, step, s, below)

    return update


def _right(m, slow, c1, t, s, below):
    return (m / c1 + s["slow_factor"] * slow) / below


_step("slow-mean-corrected", "the slow mean is corrected for its start at 0, as the fast one is")(
    _formula(
        lambda m, slow, c1, t, s, r: (m / c1 + s["slow_factor"] * slow / (1 - s["beta3"] ** t)) / r
    )
)
_step("fast-mean-uncorrected", "neither mean is corrected for its start at 0")(
    _formula(lambda m, slow, c1, t, s, r: (m + s["slow_factor"] * slow) / r)
)
_step("slow-mean-in-the-correction", "the correction of the fast mean divides the slow one too")(
    _formula(lambda m, slow, c1, t, s, r: (m + s["slow_factor"] * slow) / c1 / r)
)
_step("slow-mean-undivided", "the slow mean is added outside the quotient")(
    _formula(lambda m, slow, c1, t, s, r: m / c1 / r + s["slow_factor"] * slow)
)
_step("slow-mean-forgotten", "the slow mean is kept, and not used")(
    _formula(lambda m, slow, c1, t, s, r: m / c1 / r)
)
_step("means-mixed", "the means are weighted, so that the fast one counts 1 - alpha")(
    _formula(
        lambda m, slow, c1, t, s, r: (m / c1 * (1 - s["slow_factor"]) + s["slow_factor"] * slow) / r
    )
)
_step("eps-inside-the-root", "eps is inside the root")(
    _formula(_right, lambda v, c2, eps: np.sqrt(v / c2 + eps))
)
_step("decay-coupled", "the decay goes through the moments")(_formula(_right, coupled=True))


@card.wrong_method("beta-rises-straight", "beta3 rises in a straight line: its half-life does not",
                   warmed_beta)  # fmt: skip
def _straight(step, start, end, warmup):
    return start + (end - start) * min(1.0, step / warmup) if warmup else end


@card.wrong_method("factor-at-once", "the slow mean's factor is not warmed up", warmed_factor)
def _at_once(step, factor, warmup):
    return factor
