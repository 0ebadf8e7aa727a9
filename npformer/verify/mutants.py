"""Wrong backwards, on purpose: the proof that the checker can fail.

Each mutant has one mistake of a kind that was seen in public code or in lectures.
``mutation_score`` runs the checker over them; one that survives is a hole in the checker.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.discovery import CARDS, Lazy
from npformer.cards.mutant import Mutant
from npformer.verify.components.registry import component
from npformer.verify.reference.kept import keeping
from npformer.verify.tally import check_component
from npformer.verify.verdict import Failure

MUTANTS: Mapping[str, Mutant] = Lazy(
    lambda: {mutant.name: mutant for card in CARDS.values() for mutant in card.mutants}
)
"""Every wrong version of every card, by ``component/name``."""


@dataclass(frozen=True)
class MutantTrial:
    """The checker's encounter with one mutant."""

    mutant: Mutant
    cases: int
    """Cases it took; all of them if it survived."""
    failure: Failure | None

    @property
    def caught(self) -> bool:
        return self.failure is not None


def try_mutant(mutant: Mutant, cases: int = 100, seed: int = 0) -> MutantTrial:
    """Cases in float64, then in float32, until one shows the mistake."""
    planted = mutant.plant(component(mutant.component))
    done = 0
    for dtype in (np.float64, np.float32):
        result = check_component(planted, cases, seed, dtype, stop_at_failure=True)
        done += result.cases
        if result.failure is not None:
            return MutantTrial(mutant, done, result.failure)
    return MutantTrial(mutant, done, None)


@dataclass(frozen=True)
class MutationScore:
    """How many mutants the checker catches."""

    trials: tuple[MutantTrial, ...]

    @property
    def caught(self) -> int:
        return sum(trial.caught for trial in self.trials)

    @property
    def total(self) -> int:
        return len(self.trials)

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return self.caught / max(self.total, 1)

    @property
    def passed(self) -> bool:
        return self.caught == self.total

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "mutants": self.total,
            "caught": self.caught,
            "trials": [
                {
                    "mutant": trial.mutant.name,
                    "component": trial.mutant.component,
                    "wrong": trial.mutant.wrong,
                    "caught": trial.caught,
                    "cases": trial.cases,
                    "oracle": trial.failure.oracle if trial.failure else None,
                    "message": str(trial.failure) if trial.failure else None,
                }
                for trial in self.trials
            ],
        }


def mutation_score(
    components: Sequence[str] | None = None, cases: int = 100, seed: int = 0
) -> MutationScore:
    """The checker against every mutant of these components (all if None).

    Raises ``VerifyError`` for a component that does not exist.
    """
    names = None if components is None else {component(name).name for name in components}
    chosen = [m for m in MUTANTS.values() if names is None or m.component in names]
    with keeping():
        return MutationScore(tuple(try_mutant(mutant, cases, seed) for mutant in chosen))
