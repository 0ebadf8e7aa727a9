"""What the training loop asks of an engine: the few verbs that NumPy and PyTorch do differently.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from npformer.text.batches import Batch


class Engine(Protocol):
    """A model with its optimizer. Made from a ``RunConfig`` alone, so that it can be rebuilt.

    One update is ``gradients`` for each of its batches, then ``update`` with the number of tokens
    in all of them: sums are gathered and divided once, so that every token weighs the same
    however the batches were cut.
    """

    model: Any
    """Has ``start``, ``step`` and ``select``, by which ``npformer.decode`` translates."""

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> tuple[float, int]:
        """Add the gradient of the *sum* of a batch's token losses to what is gathered so far.

        ``seed`` alone decides the dropout. Returns that sum, with label smoothing, in nats, and
        the number of valid target tokens. Must not raise on a loss that is not finite: the loop
        asks ``update`` to say where it comes from.
        """
        ...

    def update(self, learning_rate: float, tokens: int) -> float:
        """Divide the gathered gradient by ``tokens``, clip it, take one step, and clear it.

        Returns the gradient's norm after the division and before clipping. If the gradient is not
        finite, raises ``NonFiniteError`` that names the first such parameter, with weights and
        optimizer as they were.
        """
        ...

    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The sum of a batch's token losses without smoothing or dropout, and its tokens."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps, as copies: ``model/<path>`` and ``optim/<name>`` arrays.

        ``<name>`` is ``step``, ``m/<path>``, ``v/<path>`` (Adam, AdamW) or ``momentum/<path>``
        (SGD), so that either engine resumes the other's run.
        """
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over what ``state`` returned; ``ShapeError`` unless names, shapes, dtypes agree.

        Without ``optim/`` arrays the optimizer stays as it is.
        """
        ...
