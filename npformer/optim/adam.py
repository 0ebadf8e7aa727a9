"""Adam (Kingma & Ba, 2015, algorithm 1).

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.seam import method, op


@op
def adam_update(
    weight: Array,
    gradient: Array,
    m: Array,
    v: Array,
    spare: Array,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    r"""Adam's step number ``step`` (from 1) on arrays of one shape, in place.

    m and v are running means of the gradient and of its square:

        m = beta1 m + (1 - beta1) g      which is  m += (1 - beta1) (g - m)
        v = beta2 v + (1 - beta2) g^2

    Both start at zero. Were g drawn from one distribution, then after t steps

        E[m] = (1 - beta1) (1 + beta1 + ... + beta1^(t-1)) E[g] = (1 - beta1^t) E[g]

    and E[v] = (1 - beta2^t) E[g^2] likewise, so dividing by ``1 - beta^t`` takes the pull
    towards zero out again (the paper's section 3):

        weight -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    The quotient has no unit: scale all gradients, and the step stays the same. It is near 1
    while successive gradients agree and near 0 while they cancel. ``eps`` is added to the root
    and matters only where gradients are about as small as itself. Multiplied through by
    r = sqrt(1 - beta2^t), both corrections become scalars (the end of the paper's section 2):

        weight -= learning_rate * r / (1 - beta1^t) * m / (sqrt(v) + eps * r)

    ``gradient`` and ``spare`` are scratch: what they hold afterwards means nothing.
    """
    np.subtract(gradient, m, out=spare)
    spare *= 1 - beta1
    m += spare

    np.square(gradient, out=gradient)
    gradient *= 1 - beta2
    v *= beta2
    v += gradient

    r = math.sqrt(1 - beta2**step)
    denominator = np.sqrt(v, out=gradient)
    denominator += eps * r
    np.divide(m, denominator, out=spare)
    spare *= learning_rate * r / (1 - beta1**step)
    weight -= spare


class Adam(Optimizer):
    """Adam; ``weight_decay * weight`` is added to the gradient, as an L2 penalty's would be."""

    moments = ("m", "v")
    takes_rates = True

    def __init__(
        self,
        flat: FlatParameters,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(flat)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.weight_decay = weight_decay

    @method
    def decay(self, weight: Array, gradient: Array, spare: Array, learning_rate: float) -> None:
        np.multiply(weight, self.weight_decay, out=spare)
        gradient += spare

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        if self.weight_decay:
            self.decay(weight, gradient, spare, learning_rate)
        m, v = moments
        adam_update(
            weight,
            gradient,
            m,
            v,
            spare,
            step=self.steps,
            learning_rate=learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
        )
