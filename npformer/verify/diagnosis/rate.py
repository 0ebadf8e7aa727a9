"""How often the right diagnosis comes first, measured over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npformer.cards.mutant import Mutant
from npformer.verify.components.registry import COMPONENTS, component
from npformer.verify.diagnosis.diagnose import diagnose_implementation
from npformer.verify.diagnosis.diagnosis import Diagnosis
from npformer.verify.diagnosis.known import Known
from npformer.verify.diagnosis.suspect import mutants_of
from npformer.verify.mutants import MutantTrial, try_mutant
from npformer.verify.reference.kept import keeping


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
    with keeping():
        return DiagnosisRate(tuple(diagnosed(try_mutant(m, cases, seed), seed) for m in mutants))


def diagnosed(trial: MutantTrial, seed: int = 0) -> DiagnosisTrial:
    """What is made of the case in which a mutant was caught."""
    found: list[Diagnosis] = []
    if trial.failure is not None and trial.failure.case is not None:
        planted = trial.mutant.plant(component(trial.mutant.component))
        found = diagnose_implementation(planted, trial.failure.case, seed)
    return DiagnosisTrial(trial.mutant, tuple(found))
