"""The loss of every model: the mean cross-entropy of the next token.

Chapter     walkthroughs/02_softmax_cross_entropy.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npformer.ops.array import Array
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.seam import Call


class Loss(NamedTuple):
    """A pair of functions, as an op's."""

    forward: Callable[..., Any]
    """logits (..., V), targets (...), options -> loss, cache."""
    backward: Callable[..., Any]
    """dloss, cache -> dlogits (..., V)."""

    @property
    def name(self) -> str:
        """The op's name."""
        return Call(self.forward).pair


NO_TARGET = -100
"""In place of a target that has no loss, for a model without an id that fills a batch."""


LOSS = Loss(cross_entropy_forward, cross_entropy_backward)


def asked(targets: Array, no_target: int) -> Array:
    """targets (B, T) as auxiliary losses are asked for: ``NO_TARGET`` where there is none."""
    return np.where(targets == no_target, NO_TARGET, targets)
