"""The most memory that an update of the NumPy engine needs at one time, before it is run.

Every array of a step has a size that grows with the rows of the batch in proportion, or with the
layers of a stack, or not at all. So a step of few rows through two layers of each stack is run and
recorded, one of twice the rows, and one with a third layer of each stack; and each of its moments
is a straight line in both. A layer between the first and the last lies between these in memory too.
There is no table of operations: a new component or family is planned as it is.

Several workers are each at the same moment at the same time, and share the sums of gradients.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from npformer.config import ModelConfig, RunConfig
from npformer.plan.shape import NumberBytes, Shape
from npformer.train.step_record import Moment, Name, Record, record
from npformer.train.token_loss import LOGIT_BYTES

LAYERS = 2
"""Of each stack, as it is recorded, and one more."""
TOKENS = 64
"""Of the smallest step that is recorded: fewer are multiplied in another way."""


class StepMemory(NamedTuple):
    """Bytes of the engine's arrays at the moment when there are most of them."""

    weights: int
    """With what goes with them, such as tables of positions."""
    optimizer: int
    gradients: int
    """The sums that the backward has made so far."""
    logits: int
    """Or their gradient, which takes their place."""
    activations: int
    """What else is kept for the rest of the backward, and gradients on their way."""
    working: int
    """What exists for that moment alone."""
    moment: str
    """The module and what it does."""
    parameters: int
    """Numbers in the model."""

    @property
    def total(self) -> int:
        """The peak."""
        held = self.weights + self.optimizer + self.gradients
        return held + self.logits + self.activations + self.working


def step_memory(config: RunConfig, shape: Shape) -> StepMemory:
    """The peak of an update from full batches of ``shape``, on ``config.train.workers`` workers."""
    cut = min(config.train.workers, shape.rows)
    deep = _deep(config, shape, shape.rows / cut)

    def at_work(name: Name) -> int:
        """An update is cut by parameters, so that all have a share; all else by rows."""
        return config.train.workers if name[:2] == ("", "update") else cut

    def of_all(name: Name) -> list[float]:
        """The moment with the parts of all workers."""
        gradients, *others = deep.moments[name]
        return [gradients, *(at_work(name) * part for part in others)]

    highest = max(deep.moments, key=lambda name: sum(of_all(name)))
    where, what, _ = highest
    gradients, logits, kept, working = map(round, of_all(highest))
    return StepMemory(
        deep.weights,
        deep.optimizer,
        gradients,
        logits,
        kept,
        working,
        moment=f"{where} {what}".strip(),
        parameters=deep.parameters,
    )


def _deep(config: RunConfig, shape: Shape, rows: float) -> Record:
    """One worker's step on so many rows of the whole model."""
    few = _few(config, shape)
    counts = (few, 2 * few) if rows > 2 * few else (math.floor(rows), math.ceil(rows))
    beyond = (rows - counts[0]) / max(1, counts[1] - counts[0])

    def recorded(**depths: int) -> Record:
        train = dataclasses.replace(config.train, workers=1)
        model = dataclasses.replace(config.model, **depths)
        one = dataclasses.replace(config, model=model, train=train)
        records = record(one, shape, sorted(set(counts)))
        return _sum(list(zip((1 - beyond, beyond), records, strict=False)))

    more = {name: depth - LAYERS for name, depth in _depths(config.model).items() if depth > LAYERS}
    shallow = {name: LAYERS for name in more}
    deeper = [(n, recorded(**{**shallow, name: LAYERS + 1})) for name, n in more.items()]
    return _sum([(1 - sum(more.values()), recorded(**shallow)), *deeper])


def _few(config: RunConfig, shape: Shape) -> int:
    """Rows whose logits are as many as there are at one time."""
    logits = shape.target * config.model.vocab_size * NumberBytes.of(config).full
    return math.ceil(max(LOGIT_BYTES / logits, TOKENS / min(shape.source, shape.target)))


def _depths(model: ModelConfig) -> dict[str, int]:
    """The layers of each stack, by the setting; of none where the layers are not alike."""
    names = [f.name for f in dataclasses.fields(model) if f.name.endswith("layers")]
    return {name: getattr(model, name) for name in names} if model.alike else {}


def _sum(terms: list[tuple[float, Record]]) -> Record:
    """The sum of records times factors, of the moments that all of them have."""
    factors = np.array([factor for factor, _ in terms])
    records = [r for _, r in terms]
    names = set.intersection(*(set(r.moments) for r in records))
    moments = {
        name: Moment(*(factors @ np.array([r.moments[name] for r in records]))) for name in names
    }
    standing = factors @ np.array([(r.parameters, r.weights, r.optimizer) for r in records])
    parameters, weights, optimizer = map(round, standing)
    return Record(parameters, weights, optimizer, moments)
