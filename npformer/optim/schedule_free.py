"""Schedule-free AdamW (Defazio et al., 2024, algorithm 1, arXiv:2405.15682).

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import math

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.optim.optimizer import Optimizer
from npformer.seam import method, op


@op
def schedule_free_update(
    y: Array,
    gradient: Array,
    z: Array,
    v: Array,
    x: Array,
    spare: Array,
    *,
    rate: float,
    share: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """One step on arrays of one shape, in place; ``gradient`` was taken at ``y``.

        v = beta2 v + (1 - beta2) g^2
        z = z - rate (g / (sqrt(v) + eps) + weight_decay y)
        x = (1 - share) x + share z
        y = (1 - beta1) z + beta1 x

    ``gradient`` and ``spare`` are scratch.
    """
    np.square(gradient, out=spare)
    spare *= 1 - beta2
    v *= beta2
    v += spare
    np.sqrt(v, out=spare)
    spare += eps
    gradient /= spare
    if weight_decay:
        np.multiply(y, weight_decay, out=spare)
        gradient += spare
    gradient *= rate
    z -= gradient
    np.subtract(z, x, out=spare)
    spare *= share
    x += spare
    interpolate(y, z, x, spare, beta1=beta1)


@op
def interpolate(y: Array, z: Array, x: Array, spare: Array, *, beta1: float) -> None:
    """y = (1 - beta1) z + beta1 x, in place; ``spare`` is scratch."""
    np.subtract(z, x, out=spare)
    spare *= 1 - beta1
    np.add(x, spare, out=y)


class ScheduleFree(Optimizer):
    """AdamW that averages its weights in place of a falling rate: it need not know when it ends.

    Three sequences of weights:

        z    steps, as those of AdamW without momentum
        x    the mean of all z so far: what is evaluated, and the result
        y    = (1 - beta1) z + beta1 x, where gradients are taken

    A mean forgives a rate that never falls, but lags behind; a gradient at z does not see it. y is
    near enough to the mean for its gradient to concern it, and moves with every step: beta1 does
    momentum's work. With rate = learning_rate sqrt(1 - beta2^t), which has the correction of v in
    it as Adam's has, a z counts by the square of its rate, so that those of a warm-up count little:

        share = rate^2 / (sum of the squares of all rates so far)

    ``train`` puts y into the weights, ``eval`` x. A model is saved as x; z, v and the sum go with
    the optimizer, and y follows from them. To save what training last saw, y, is the common
    mistake: its loss is higher, and x cannot be had from it alone.
    """

    moments = ("z", "v", "x")

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
        self.beta1, self.beta2 = beta1, beta2
        self.eps, self.weight_decay = eps, weight_decay
        self.squares = np.zeros(())  # of all rates but the newest, summed
        self._newest = 0.0
        self._training = False

    def train(self) -> None:
        """y is in the weights; x is kept beside it meanwhile."""
        if self._training:
            return
        self._training = True
        z, x = self.buffers["z"], self.buffers["x"]
        x[...] = self.flat.data
        if not self.steps:
            z[...] = x
        interpolate(self.flat.data, z, x, np.empty_like(x), beta1=self.beta1)

    @method
    def eval(self) -> None:
        """x is in the weights."""
        if self._training:
            self._training = False
            self.flat.data[...] = self.buffers["x"]

    def advance(self) -> None:
        """Count one more step."""
        self.train()
        super().advance()
        self._settle()

    def arrays(self) -> dict[str, Array]:
        """z, v and the sum of squares; not x, which is the model."""
        self._settle()
        kept = {name: a for name, a in super().arrays().items() if not name.startswith("x/")}
        return kept | {f"squares/{path}": self.squares for path in self.flat.shapes}

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        rate = learning_rate * math.sqrt(1 - self.beta2**self.steps)
        self._newest = rate**2  # the same in every block, from any thread
        total = float(self.squares) + rate**2
        z, v, x = moments
        schedule_free_update(
            weight,
            gradient,
            z,
            v,
            x,
            spare,
            rate=rate,
            share=rate**2 / total if total else 0.0,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
            weight_decay=self.weight_decay,
        )

    def _settle(self) -> None:
        self.squares += self._newest
        self._newest = 0.0
