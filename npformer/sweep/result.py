"""How the trials of a sweep ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from npformer.errors import ConfigError, nearest
from npformer.sweep.plan import SweepPlan
from npformer.sweep.space import Choices, Value

State = Literal["finished", "failed", "unfinished"]


@dataclass(frozen=True)
class Trial:
    """One combination of values, and what came of it."""

    number: int
    values: Mapping[str, Value]
    """By field, ``model.heads`` -> 4."""
    state: State
    directory: Path
    """The trial's run, as ``npformer train`` would leave it, but for weights (best trial only)."""
    objective: float | None = None
    """Validation loss in nats a token, or BLEU; None unless finished."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """validation_loss, perplexity, perhaps bleu and chrf; updates, tokens, seconds."""
    reason: str = ""
    """Why it failed."""
    same_as: int | None = None
    """An earlier trial of the same values, whose results these are: it was not trained again."""


@dataclass(frozen=True)
class Trials:
    """A sweep's trials, in the order in which they were made."""

    directory: Path
    plan: SweepPlan
    trials: tuple[Trial, ...]
    interrupted: bool = False
    """Stopped by Ctrl-C or SIGTERM; ``resume`` continues the sweep."""

    @property
    def best(self) -> Trial | None:
        """The finished trial of lowest loss, or of highest BLEU; the first of equals."""
        return next(iter(self.ranked()), None)

    def ranked(self) -> list[Trial]:
        """The finished trials, best first."""
        sign = -1 if self.plan.objective == "bleu" else 1
        finished = [(t.objective, t) for t in self.trials if t.objective is not None]
        return [t for _, t in sorted(finished, key=lambda pair: (sign * pair[0], pair[1].number))]

    def effect(self, name: str) -> dict[Value, list[float]]:
        """Value of the field -> the objectives of all finished trials that had it.

        In the order in which the values were listed; raises ``ConfigError`` if it was not swept.
        """
        axis = next((axis for axis in self.plan.axes if axis.field == name), None)
        if axis is None:
            names = [axis.field for axis in self.plan.axes]
            raise ConfigError(
                f"the sweep does not vary {name!r}; it varies {', '.join(names)}"
                + nearest(name, names)
            )
        finished = [(t.values[name], t.objective) for t in self.trials if t.objective is not None]
        order = (
            axis.values
            if isinstance(axis, Choices)
            else tuple(v for v, _ in sorted(finished, key=_number))
        )
        found = {value: [o for v, o in finished if v == value] for value in order}
        return {value: objectives for value, objectives in found.items() if objectives}


def _number(pair: tuple[Any, float]) -> float:
    return float(pair[0])
