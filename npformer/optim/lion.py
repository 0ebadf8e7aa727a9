"""Lion (Chen et al., 2023, algorithm 2, arXiv:2302.06675).

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.seam import op


@op
def lion_update(
    weight: Array,
    gradient: Array,
    m: Array,
    spare: Array,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
) -> None:
    """One step of Lion on arrays of one shape, in place.

        weight = (1 - learning_rate weight_decay) weight
        weight -= learning_rate sign(beta1 m + (1 - beta1) g)
        m       = beta2 m + (1 - beta2) g

    Every weight moves by the learning rate, whatever its gradient, and a gradient of 0 moves by
    the mean's sign. The step looks at the new gradient with weight 1 - beta1, 0.1 say, but the
    memory takes it in with 1 - beta2, 0.01: what decides now and what is remembered are different
    means of one past, so ``m`` changes *after* the step. There is no second moment, so a step is
    as large as Adam's largest, and the paper's rates are 3 to 10 times smaller than AdamW's, its
    decay as many times larger. ``spare`` and ``gradient`` are scratch.
    """
    if weight_decay:
        weight *= 1 - learning_rate * weight_decay
    np.subtract(gradient, m, out=spare)  # g - m
    gradient[...] = spare
    gradient *= 1 - beta1
    gradient += m
    np.sign(gradient, out=gradient)
    gradient *= learning_rate
    weight -= gradient
    spare *= 1 - beta2
    m += spare


class Lion(Optimizer):
    """Steps of one size, by the sign of a mean; the decay is decoupled, as AdamW's."""

    moments = ("m",)

    def __init__(
        self,
        flat: FlatParameters,
        *,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(flat)
        self.beta1, self.beta2, self.weight_decay = beta1, beta2, weight_decay

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        lion_update(
            weight,
            gradient,
            moments[0],
            spare,
            learning_rate=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
        )
