"""AdEMAMix (Pagliardini, Ablin & Grangier, 2024, algorithm 1, arXiv:2409.03137).

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.seam import op


@op
def ademamix_update(
    weight: Array,
    gradient: Array,
    m: Array,
    slow: Array,
    v: Array,
    spare: Array,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    beta3: float,
    slow_factor: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Step number ``step`` (from 1) of AdEMAMix on arrays of one shape, in place.

        m    = beta1 m + (1 - beta1) g
        slow = beta3 slow + (1 - beta3) g
        v    = beta2 v + (1 - beta2) g^2

        weight = (1 - learning_rate weight_decay) weight
        weight -= learning_rate * (m / (1 - beta1^t) + slow_factor slow)
                  / (sqrt(v / (1 - beta2^t)) + eps)

    A mean that forgets in 10 steps follows what the gradient does now; one that forgets in 10,000
    knows what it has done on the whole. Adam must choose; this is AdamW with both in the numerator.
    ``slow`` is *not* corrected for its start at zero: early on it is small, and means little.
    ``gradient`` and ``spare`` are scratch.
    """
    np.multiply(gradient, 1 - beta1, out=spare)
    m *= beta1
    m += spare
    np.multiply(gradient, 1 - beta3, out=spare)
    slow *= beta3
    slow += spare
    np.square(gradient, out=gradient)
    gradient *= 1 - beta2
    v *= beta2
    v += gradient

    denominator = np.divide(v, 1 - beta2**step, out=gradient)
    np.sqrt(denominator, out=denominator)
    denominator += eps
    np.multiply(slow, slow_factor * (1 - beta1**step), out=spare)
    spare += m
    spare /= denominator
    spare *= learning_rate / (1 - beta1**step)
    if weight_decay:
        weight *= 1 - learning_rate * weight_decay
    weight -= spare


@op
def warmed_factor(step: int, factor: float, warmup: int) -> float:
    """alpha(t) of the paper: a straight rise to ``factor`` over ``warmup`` steps, 0 for none."""
    return factor * min(1.0, step / warmup) if warmup else factor


@op
def warmed_beta(step: int, start: float, end: float, warmup: int) -> float:
    """beta3(t): from ``start`` (at step 0) to ``end`` over ``warmup`` steps, 0 for none.

    The half-life ln(1/2) / ln(beta), not beta, rises in a straight line: 1 / ln beta is linear in
    t. A beta that rose so itself would reach long memories in its last steps alone.
    """
    if step >= warmup or not end:
        return end
    share = step / warmup
    ratio = math.log(end) / math.log(start) if start else 0.0
    return min(math.exp(math.log(end) / ((1 - share) * ratio + share)), end)


class AdEMAMix(Optimizer):
    """AdamW with a second, slow mean of the gradients in its numerator."""

    moments = ("m", "slow", "v")

    def __init__(
        self,
        flat: FlatParameters,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        beta3: float = 0.9999,
        slow_factor: float = 5.0,
        slow_warmup: int = 0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(flat)
        self.beta1, self.beta2, self.beta3 = beta1, beta2, beta3
        self.slow_factor, self.slow_warmup = slow_factor, slow_warmup
        self.eps, self.weight_decay = eps, weight_decay

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        m, slow, v = moments
        ademamix_update(
            weight,
            gradient,
            m,
            slow,
            v,
            spare,
            step=self.steps,
            learning_rate=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            beta3=warmed_beta(self.steps, self.beta1, self.beta3, self.slow_warmup),
            slow_factor=warmed_factor(self.steps, self.slow_factor, self.slow_warmup),
            eps=self.eps,
            weight_decay=self.weight_decay,
        )
