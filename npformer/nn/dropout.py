"""Dropout. The mathematics is in ``npformer/ops/dropout.py``.

Chapter     walkthroughs/08_dropout_residuals.md
"""

from __future__ import annotations

import numpy as np

from npformer.errors import ConfigError
from npformer.nn.module import Array, Module
from npformer.ops.dropout import DropoutCache, dropout_backward, dropout_forward


class Dropout(Module):
    """Drops each unit with probability ``p`` in training; without a generator it does nothing.

    Raises ConfigError unless ``p`` is in [0, 1).
    """

    def __init__(self, p: float) -> None:
        if not 0.0 <= p < 1.0:
            raise ConfigError(f"the dropout probability is {p}; it must be in [0, 1)")
        self.p = p

    def forward(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, DropoutCache]:
        """x (...) -> y (...), cache; ``rng`` draws the mask, None means inference."""
        return dropout_forward(x, self.p, rng)

    def backward(self, dy: Array, cache: DropoutCache) -> Array:
        """dy (...) -> dx (...), through the mask of the forward."""
        return dropout_backward(dy, cache)
