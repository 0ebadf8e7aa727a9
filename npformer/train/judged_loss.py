"""The losses of judged answers, from the logits of a model to the gradient of them.

Chapter     walkthroughs/29_learning_from_preferences.md
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from npformer.config import PreferenceConfig
from npformer.models.model import Model
from npformer.ops.array import Array
from npformer.ops.dpo_loss import dpo_loss_backward, dpo_loss_forward
from npformer.ops.kto_loss import kto_loss_backward, kto_loss_forward
from npformer.ops.pair_loss import pair_loss_backward, pair_loss_forward
from npformer.ops.sequence_log_prob import sequence_log_prob_backward, sequence_log_prob_forward
from npformer.text.judged_batches import JudgedBatch


class JudgedLoss:
    """The loss that a run's preferences name: a sum over what is judged."""

    projects: ClassVar = True
    """Its model makes the logits."""

    def __init__(self, preferences: PreferenceConfig) -> None:
        self.preferences = preferences

    def forward(
        self, model: Model, rows: JudgedBatch, rng: np.random.Generator
    ) -> tuple[float, Array, Any]:
        """The sum of the losses, its gradient by the logits, and the cache of the model."""
        y, of_sequence, of_model = self.log_probs(model, rows, rng)
        loss, dy = judged_loss(y, rows, self.preferences)
        return loss, sequence_log_prob_backward(dy, of_sequence), of_model

    def log_probs(
        self, model: Model, rows: JudgedBatch, rng: np.random.Generator | None = None
    ) -> tuple[Array, Any, Any]:
        """The log-probability (A,) of each answer, as the loss takes it; its cache, the model's."""
        logits, of_model = model.forward(**rows.inputs, rng=rng)
        counts, mean = rows.targets != rows.no_target, self.preferences.by_mean
        y, of_sequence = sequence_log_prob_forward(logits, rows.targets, counts=counts, mean=mean)
        return y, of_sequence, of_model


def judged_loss(y: Array, rows: JudgedBatch, preferences: PreferenceConfig) -> tuple[float, Array]:
    """Log-probabilities y (A,) -> the sum of losses, and its gradient dy (A,).

    What has no token, as a rank's share may have none, adds nothing.
    """
    one = np.ones((), y.dtype)
    dy = np.zeros_like(y)
    kept = np.repeat(rows.counted, rows.answers)
    y, beta = y[kept], preferences.factor
    if preferences.prefer == "kto":
        loss, kto_cache = kto_loss_forward(
            y,
            reference=_of(rows.reference, kept),
            desirable=_of(rows.desirable, kept),
            beta=beta,
            desirable_weight=preferences.desirable_weight,
            undesirable_weight=preferences.undesirable_weight,
        )
        dy[kept] = kto_loss_backward(one, kto_cache)
        return float(loss), dy
    chosen, rejected = y[0::2], y[1::2]
    if preferences.prefer == "simpo":
        loss, pair_cache = pair_loss_forward(beta * chosen - preferences.margin, beta * rejected)
        dchosen, drejected = (beta * d for d in pair_loss_backward(one, pair_cache))
    else:
        reference = _of(rows.reference, kept)
        noise = preferences.label_noise
        loss, dpo_cache = dpo_loss_forward(
            chosen, rejected, reference[0::2], reference[1::2], beta=beta, label_smoothing=noise
        )
        dchosen, drejected = dpo_loss_backward(one, dpo_cache)
    dy[kept] = np.stack([dchosen, drejected], axis=1).reshape(-1)
    return float(loss), dy


class Judgement(NamedTuple):
    """Sums over what is judged, for looking."""

    loss: float
    right: float
    """Pairs whose chosen answer has the larger reward; single answers whose reward has the sign
    of their label."""
    margin: float
    """By how much, in rewards."""


def judgement(y: Array, rows: JudgedBatch, preferences: PreferenceConfig) -> Judgement:
    """How the policy of log-probabilities y (A,) judges."""
    loss, _ = judged_loss(y, rows, preferences)
    rewards = preferences.factor * (y if rows.reference is None else y - rows.reference)
    signed = np.where(_of(rows.desirable), rewards, -rewards).reshape(-1, rows.answers)
    margins = signed.sum(axis=1)[rows.counted]
    return Judgement(loss, float(np.count_nonzero(margins > 0)), float(margins.sum()))


def _of(array: Array | None, kept: Array | slice = slice(None)) -> Array:
    assert array is not None, "a batch of answers without judgements or references"
    return np.asarray(array[kept])
