"""What the training loop asks of an engine: the few verbs that NumPy and PyTorch do differently.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from npformer.text.batches import Batch
    from npformer.text.judged_batches import JudgedBatch


class Step(NamedTuple):
    """What one update found on its way; of many ranks, each gets the same."""

    loss: float
    """Sum of the token losses of all its batches, with label smoothing, in nats."""
    tokens: int
    """Valid target tokens in them."""
    norm: float
    """The gradient's norm, after the division by their number and before clipping."""
    units: int = 0
    """What the division was by, where that is not tokens: answers, or pairs of them."""

    @property
    def mean(self) -> float:
        """The loss of a token, or of whatever the units are."""
        return self.loss / (self.units or self.tokens)


class Engine(Protocol):
    """A model with its optimizer. Made from a ``RunConfig`` alone, so that it can be rebuilt.

    One update is ``gradients`` for each of its batches, then ``update``: sums are gathered, over
    all ranks where there are many, and divided once, so that every token weighs the same however
    the batches were cut. The verbs that are marked as collective must be called by every rank.
    """

    @property
    def model(self) -> Any:
        """What ``npformer.decode`` translates with, by ``start`` and ``step``. Collective."""
        ...

    @property
    def peak_flops(self) -> float:
        """Floating-point operations that the device can do in a second; 0 if that is not known."""
        ...

    def flops(self, batch: Batch) -> float:
        """The floating-point operations that a batch's valid tokens need, forward and backward.

        What is done on padding is no use to anybody. Asked only where ``peak_flops`` is known.
        """
        ...

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> None:
        """Add the gradient of the *sum* of a batch's losses to what is gathered so far.

        ``seed`` alone decides the dropout. Collective: many ranks bring a batch each, one of them
        perhaps without a valid token. Must not raise on a loss that is not finite: ``update`` says
        where it comes from.
        """
        ...

    def update(self, learning_rate: float) -> Step:
        """Divide the gathered gradient by its units, clip it, take one step, and clear it.

        Collective. If the loss or the gradient is not finite, raises ``NonFiniteError`` that names
        the first such parameter, with weights and optimizer as they were.
        """
        ...

    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The sum of a batch's token losses without smoothing or dropout, and its tokens."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that a checkpoint keeps, as copies: ``model/<path>`` and ``optim/<name>`` arrays.

        ``<name>`` is ``step``, ``m/<path>``, ``v/<path>`` (Adam, AdamW) or ``momentum/<path>``
        (SGD), so that either engine resumes the other's run. Of two sequences of weights, the
        model is the one that is evaluated. Collective.
        """
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what ``state`` returned; ``ShapeError`` unless names, shapes, dtypes agree.

        Without ``optim/`` arrays the optimizer stays as it is. Collective.
        """
        ...

    def save(self, directory: Path) -> None:
        """Write the ``state`` into a directory, as the two files of a checkpoint. Collective."""
        ...

    def memory(self) -> int:
        """The most bytes used so far: of the device's memory, or resident on a CPU."""
        ...


class AnswerEngine(Engine, Protocol):
    """One that learns from answers that were judged (``judged_loss.py``)."""

    def log_probs(self, batch: JudgedBatch) -> np.ndarray:
        """The log-probability (A,) of each answer, as the loss takes it, without dropout."""
        ...


def not_finite(loss: float, parameter: str | None) -> str:
    """What ``NonFiniteError`` says of an update: its loss, and the parameter with such a gradient.

    ``parameter`` is None if every gradient is finite, as with a loss that overflows by itself.
    """
    unharmed = "the step was not taken, weights and optimizer are as before it. Try a lower"
    if parameter is None:
        return (
            f"the loss is {loss} though every gradient is finite; {unharmed} learning rate or "
            "a longer warm-up"
        )
    what = f"the gradient of {parameter!r} is not finite"
    if not math.isfinite(loss):
        what = f"the loss is {loss}: {what}"
    return f"{what}; {unharmed} learning rate, a longer warm-up or clip_norm"
