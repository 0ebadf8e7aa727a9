"""What may explain a wrong result: something that predicts it, on any case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npformer.cards.case import Result
from npformer.verify.component import Component
from npformer.verify.diagnosis.diagnosis import Diagnosis, chapter_of
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.diagnosis.known import Known, known

if TYPE_CHECKING:
    from npformer.cards.mutant import Mutant

Prediction = Callable[[Evidence], Result | None]
"""The wrong results, by name; what is not named is right. None where it has nothing to say."""


@dataclass(frozen=True)
class Suspect:
    """A mistake, or several made together."""

    sentence: str
    """A whole sentence, without the name of the result."""
    predict: Prediction
    mutants: tuple[str, ...] = ()
    chapter: str | None = None
    mistakes: int = 1
    fitted: bool = False
    """Whether a number in it is fitted to the case."""

    def fits(self, evidence: Evidence) -> bool:
        """Whether this is what happened, as far as the evidence goes."""
        prediction = self.predict(evidence)
        return prediction is None or evidence.explained_by(prediction)

    def convicts(self, evidence: Evidence) -> bool:
        """``fits``, and the mistake does show in this case."""
        return bool(evidence.names) and self.predict(evidence) is not None and self.fits(evidence)

    def diagnosis(self, evidence: Evidence, share: float = 1.0) -> Diagnosis:
        """In words, for what is wrong in ``evidence``; ``share`` is of the belief in this one."""
        score = round(share * 0.8 ** (self.mistakes - 1), 3)
        about = known(evidence)
        chapter = self.chapter or (chapter_of(about.component.name) if about else None)
        return Diagnosis(self.sentence, ", ".join(evidence.names), self.mutants, chapter, score)


def planted(component: Component, key: Any, sentence: str, **more: Any) -> Suspect:
    """The suspicion that ``component``, which has a mistake in it, is what was run."""

    def run(evidence: Evidence) -> Result:
        try:
            return observe(component, evidence.case)
        except Exception:  # it does not take this case: whatever gave a result was not this
            return {}

    def predict(evidence: Evidence) -> Result | None:
        if key not in evidence.planted:
            evidence.planted[key] = run(evidence)
        return evidence.planted[key] or None

    return Suspect(sentence, predict, **more)


def when(wrong: str) -> str:
    """A mutant's line as a sentence."""
    return f"this is what you get when {wrong}"


def mutants_of(found: Known) -> list[Mutant]:
    """The catalogue's mutants of a component of the registry."""
    # Imported late: the mutation score runs the checker, and the checker asks for diagnoses.
    from npformer.verify.mutants import MUTANTS

    return [mutant for mutant in MUTANTS.values() if mutant.component == found.component.name]


def single_mutants(evidence: Evidence) -> list[Suspect]:
    """Every mutant of what the evidence is about, if the registry knows it."""
    found = known(evidence)
    if found is None:
        return []
    return evidence.once("mutants", lambda: [_single(m, found) for m in mutants_of(found)])


def _single(mutant: Mutant, found: Known) -> Suspect:
    return planted(
        found.seen_as(mutant.plant(found.component)),
        mutant.name,
        when(mutant.wrong),
        mutants=(mutant.name,),
        chapter=chapter_of(mutant.component),
    )
