"""The loss that most runs make small: the sum of a batch's token losses, and its gradient.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from npformer.config import TrainConfig
from npformer.models.loss import LOSS, asked
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.ops.z_loss import z_loss_backward, z_loss_forward
from npformer.text.batches import Batch

LOGIT_BYTES = 5 * 2**23
"""Of the logits that a worker has at one time."""
LOSS_BYTES = 2**21
"""Of those whose loss is computed at one time."""


class TokenLoss:
    """Cross-entropy, with its smoothing and with so many times the z-loss."""

    def __init__(self, train: TrainConfig) -> None:
        self._label_smoothing, self._z_loss = train.label_smoothing, train.z_loss

    projects: ClassVar = False
    """Its model leaves the logits to it: all would be the largest array of a step."""

    def forward(
        self, model: Model, rows: Batch, rng: np.random.Generator
    ) -> tuple[float, Array, Any]:
        """The sum of the losses, its gradient by what is projected, and the cache of the model.

        Logits are there for some rows at a time, and as few times as there is memory for: each time
        adds to the whole gradient of the projection.
        """
        y, targets, cache = packed_forward(model, rows, rng)
        flat, targets, total = y.reshape(-1, y.shape[-1]), targets.reshape(-1), 0.0
        dy = np.empty_like(flat)

        def part(here: slice) -> float:
            logits, projection = model.output(flat[here])
            loss = self._in_place(logits, targets[here], rows.no_target)
            dy[here] = model.back_through_output(logits, projection)
            return loss

        step = max(1, LOGIT_BYTES // (model.config.vocab_size * y.itemsize))
        for start in range(0, len(flat), step):
            total += part(slice(start, start + step))  # the logits before are gone by then
        return total, dy.reshape(y.shape), cache

    def _in_place(self, logits: Array, targets: Array, no_target: int) -> float:
        """logits (R, V), targets (R,) -> the sum of losses; logits become their gradient."""
        total = 0.0
        step = max(1, LOSS_BYTES // max(1, logits[:1].nbytes))
        for start in range(0, len(logits), step):
            part, t = logits[start : start + step], targets[start : start + step]
            loss, cache = LOSS.forward(
                part,
                t,
                label_smoothing=self._label_smoothing,
                ignore_index=no_target,
                reduction="sum",
            )
            total += float(loss)
            dlogits = LOSS.backward(np.ones_like(loss), cache)
            if self._z_loss:
                square, z_cache = z_loss_forward(part, counts=t != no_target)
                total += self._z_loss * float(square)
                dlogits += z_loss_backward(np.full_like(loss, self._z_loss), z_cache)
            part[...] = dlogits
        return total


def packed_forward(
    model: Model, rows: Batch, rng: np.random.Generator | None = None
) -> tuple[Array, Array, Any]:
    """logits (B, T, V), targets (B, T), cache; or without padding (1, n, V), (1, n), cache.

    Of a model that does not project, what would be in the place of logits.
    """
    counts, targets = rows.targets != rows.no_target, rows.targets
    extra: dict[str, Any] = {}
    if model.auxiliary and rng is not None:
        extra["targets"] = asked(targets, rows.no_target)
    if grids := model.grids(rows.inputs, counts):
        extra["grids"], targets = grids, grids["to"].collect(targets)
    logits, cache = model.forward(**rows.inputs, rng=rng, **extra)
    return logits, targets, cache
