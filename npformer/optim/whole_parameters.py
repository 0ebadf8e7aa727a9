"""What optimizers share whose step is of a whole matrix, not of each number by itself.

Chapter     walkthroughs/23_steps_that_are_matrices.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters
from npformer.seam import method


class WholeParameters:
    """A base beside ``Optimizer``, and before it; the class says ``update_one``."""

    flat: FlatParameters
    kept: dict[str, dict[str, Array]]
    """By the path of a parameter and the name of the moment: what is remembered of it."""

    def ranges(self, count: int) -> list[slice]:
        """Ranges of whole parameters."""
        return self.flat.ranges(count)

    @method
    def apply(
        self,
        learning_rate: float,
        grad_scale: float = 1.0,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """The step of every parameter that begins in a range."""
        weights, spans = self.flat.views(self.flat.data), self.flat.spans()
        for path in self.flat.between(start, stop):
            gradient = np.empty_like(weights[path])
            self.flat.scaled_gradient(spans[path], grad_scale, gradient.reshape(-1))
            self.update_one(weights[path], gradient, self.kept[path], learning_rate)

    def update_one(
        self, weight: Array, gradient: Array, kept: dict[str, Array], learning_rate: float
    ) -> None:
        """The step of one parameter, in place; the gradient is scratch."""
        raise NotImplementedError

    def arrays(self) -> dict[str, Array]:
        """What the optimizer remembers, as ``moment/path``."""
        names = dict.fromkeys(name for each in self.kept.values() for name in each)
        return {
            f"{name}/{path}": each[name]
            for name in names
            for path, each in self.kept.items()
            if name in each
        }
