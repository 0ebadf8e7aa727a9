"""Stochastic gradient descent with momentum (Polyak, 1964; Sutskever et al., 2013).

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.seam import op


@op
def sgd_update(
    weight: Array,
    gradient: Array,
    velocity: Array,
    spare: Array,
    *,
    learning_rate: float,
    momentum: float,
) -> None:
    """One step of descent on arrays of one shape, in place.

        velocity = momentum velocity + g
        weight  -= learning_rate velocity

    A gradient keeps acting for about 1 / (1 - momentum) steps: along a direction on which
    successive gradients agree, the step grows by that factor; where they alternate, they cancel.
    The velocity starts at zero and is not divided by 1 - momentum^t. ``spare`` is scratch.
    """
    velocity *= momentum
    velocity += gradient
    np.multiply(velocity, learning_rate, out=spare)
    weight -= spare


class SGD(Optimizer):
    """Descent with momentum (0 for none); ``weight_decay * weight`` is added to the gradient."""

    moments = ("momentum",)

    def __init__(
        self, flat: FlatParameters, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(flat)
        self.momentum = momentum
        self.weight_decay = weight_decay

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        if self.weight_decay:
            np.multiply(weight, self.weight_decay, out=spare)
            gradient += spare
        sgd_update(
            weight,
            gradient,
            moments[0],
            spare,
            learning_rate=learning_rate,
            momentum=self.momentum,
        )
