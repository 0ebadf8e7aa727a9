"""How often the right diagnosis comes first, measured over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npformer.cards.case import Case
from npformer.cards.mutant import Mutant
from npformer.cards.strategies import GeneratorSource
from npformer.verify.component import Component
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.diagnosis.diagnose import diagnose_implementation
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.known import Known
from npformer.verify.diagnosis.suspect import mutants_of
from npformer.verify.judge import check_case


@dataclass(frozen=True)
class DiagnosisTrial:
    """A mutant, and what was made of its first failing case."""

    mutant: Mutant
    diagnoses: tuple[Diagnosis, ...]

    @property
    def right(self) -> bool:
        """Whether the first diagnosis names the mutant, alone or beside its equivalents."""
        if not self.diagnoses or self.diagnoses[0].score < 0.7:
            return False
        return self.mutant.name in self.diagnoses[0].mutants


@dataclass(frozen=True)
class DiagnosisRate:
    """How many mutants are recognised."""

    trials: tuple[DiagnosisTrial, ...]

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return sum(trial.right for trial in self.trials) / max(len(self.trials), 1)

    @property
    def wrong(self) -> tuple[DiagnosisTrial, ...]:
        """The trials in which something else came first, or nothing."""
        return tuple(trial for trial in self.trials if not trial.right)

    def __str__(self) -> str:
        lines = [
            f"the right diagnosis came first for {len(self.trials) - len(self.wrong)} of "
            f"{len(self.trials)} mutants, {self.rate:.1%}"
        ]
        for trial in self.wrong:
            said = str(trial.diagnoses[0]) if trial.diagnoses else "nothing was found"
            lines.append(f"  {trial.mutant.name}: {said}")
        return "\n".join(lines)


def diagnosis_rate(
    components: Sequence[str] | None = None, cases: int = 100, seed: int = 0
) -> DiagnosisRate:
    """Every mutant of these components (all if None) is planted, caught and diagnosed.

    ``cases`` are drawn for each, in float64 and then in float32, until one fails. Raises
    ``VerifyError`` for a component that does not exist.
    """
    chosen = [component(name) for name in components or COMPONENTS]
    mutants = [mutant for each in chosen for mutant in mutants_of(Known(each))]
    return DiagnosisRate(tuple(_try(mutant, cases, seed) for mutant in mutants))


def _try(mutant: Mutant, cases: int, seed: int) -> DiagnosisTrial:
    planted = mutant.plant(component(mutant.component))
    case = first_failure(planted, cases, seed)
    found = [] if case is None else diagnose_implementation(planted, case, seed)
    return DiagnosisTrial(mutant, tuple(found))


def first_failure(planted: Component, cases: int, seed: int) -> Case | None:
    """The first case that the checker does not accept."""
    for dtype in (np.float64, np.float32):
        rng = np.random.default_rng([seed, *planted.name.encode()])
        source = GeneratorSource(rng)
        for _ in range(cases):
            case = planted.draw(source, np.dtype(dtype))
            if check_case(planted, case, rng).failures:
                return case
    return None
