"""What ``--model`` names: a module of the caller's, a family, or a run's directory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.discovery import CARDS
from npformer.cards.module_card import ModuleCard
from npformer.cards.strategies import GeneratorSource
from npformer.config import ModelConfig
from npformer.errors import VerifyError, nearest
from npformer.models import families
from npformer.models.model import Model
from npformer.train.engines import load_model
from npformer.verify.models.options import Values
from npformer.verify.subjects.loading import load

RATE = 0.2
"""Of dropping a unit, so that training is another thing than evaluation."""
LONGEST = 20
DRAWS = 30
"""Configurations drawn, of which the widest is taken: a width of 2 is all norm and no content."""


class Named(NamedTuple):
    module: Any
    options: Values | None
    """None for those that are found; none where the weights are a run's."""


def find(name: str) -> Named:
    """``module:name``, a family's name, or a run's directory.

    Raises VerifyError if it is none of these, and CheckpointError for a damaged run.
    """
    if name in families():
        return Named(small(families()[name]), None)
    if ":" in name:
        return Named(load(name), None)
    if Path(name).is_dir():
        return Named(load_model(Path(name)).model, {})
    raise VerifyError(
        f"--model is {name!r}; it must be MODULE:NAME, the directory of a run, or a family: "
        f"{', '.join(families())}{nearest(name, families())}"
    )


def small(family: type[Model]) -> Model:
    """A model of the family in float64, of the widest small configuration that its card draws."""
    card = CARDS[family.__name__]
    assert isinstance(card, ModuleCard) and card.draws is not None
    source = GeneratorSource(np.random.default_rng(0))
    drawn = [card.draws(source)[1]["build"][0] for _ in range(DRAWS)]
    # Of as wide ones, that with the fewest settings of its own: options are tried one at a time.
    # Parts that make losses of their own alone have no gradient by the outputs.
    alone = [config for config in drawn if not getattr(config, "auxiliary", False)]
    config = max(alone, key=lambda c: (c.d_model, *c.depths, -_changes(c)))
    config = dataclasses.replace(config, dropout=RATE, max_length=LONGEST)
    return family(config, rng=np.random.default_rng(0), dtype=np.float64)


def _changes(config: ModelConfig) -> int:
    """How many settings differ from the family's own."""
    return sum(getattr(config, f.name) != f.default for f in dataclasses.fields(config))
