"""Two mistakes made together: in different results, one within the other, or a factor besides."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from npformer.cards.case import Result
from npformer.seam import replacing
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.diagnosis.diagnosis import chapter_of
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.generic import blame, fitting, generic
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.suspect import Suspect, mutants_of, planted, single_mutants, when

if TYPE_CHECKING:
    from npformer.cards.mutant import Mutant


def pairs(evidence: Evidence) -> list[Suspect]:
    """What explains the evidence by two mistakes, or by one in each of three results."""
    found = [*_side_by_side(evidence), *_composed(evidence)]
    return found or [*_besides(evidence)]


def _side_by_side(evidence: Evidence) -> Iterator[Suspect]:
    """Mistakes that meet in no result: together they have to cover all that is wrong."""
    parts = [
        (suspect, names)
        for suspect in single_mutants(evidence)
        if 0 < len(names := _explained(suspect, evidence)) < len(evidence.names)
    ]
    wrong = set(evidence.names)
    covers = [
        chosen
        for count in (1, 2, 3)
        for chosen in itertools.combinations(parts, count)
        if sum(len(names) for _, names in chosen) == len(set().union(*(n for _, n in chosen)))
    ]
    for chosen in covers:
        left = wrong - set().union(*(names for _, names in chosen))
        if not left and len(chosen) > 1:
            yield _together([suspect for suspect, _ in chosen])
    for chosen in covers:
        left = wrong - set().union(*(names for _, names in chosen))
        options = [fitting(evidence, name)[:2] for name in sorted(left)]
        for mistakes in itertools.product(*options) if left else ():
            rest = blame(dict(zip(sorted(left), mistakes, strict=True)))
            yield _together([*(suspect for suspect, _ in chosen), rest])


def _explained(suspect: Suspect, evidence: Evidence) -> set[str]:
    """The wrong results that a suspect explains, if what it leaves right is all of the others."""
    changed = _changed(suspect, evidence)
    if not changed or not all(evidence.fits(n, a) for n, a in changed.items()):
        return set()
    return set(changed)


def _changed(suspect: Suspect, evidence: Evidence) -> Result:
    """What a suspect makes wrong, and how."""
    prediction = suspect.predict(evidence) or {}
    seen_from = dataclasses.replace(evidence, wrong=prediction, cache={})
    return {n: a for n, a in prediction.items() if not evidence.accepts(seen_from.off[n])}


def _together(suspects: list[Suspect]) -> Suspect:
    def predict(evidence: Evidence) -> Result | None:
        found: Result = {}
        for suspect in suspects:
            prediction = suspect.predict(evidence)
            if prediction is None:
                return None
            found |= _changed(suspect, evidence)
        return found

    return _joined(suspects, predict)


def _joined(suspects: list[Suspect], predict: Callable[[Evidence], Result | None]) -> Suspect:
    text = suspects[0].sentence
    for suspect in suspects[1:]:
        text += f", and besides {suspect.sentence.removeprefix(when(''))}"
    return Suspect(
        text,
        predict,
        mutants=tuple(name for suspect in suspects for name in suspect.mutants),
        chapter=next((s.chapter for s in suspects if s.chapter), None),
        mistakes=sum(suspect.mistakes for suspect in suspects),
    )


def _composed(evidence: Evidence) -> Iterator[Suspect]:
    """One mistake within the other, where both can be planted at once."""
    found = known(evidence)
    if found is None:
        return
    for a, b in itertools.permutations(mutants_of(found), 2):
        both = compose(found.component, a, b)
        if both is None:
            continue
        sentence = f"{when(a.wrong)}, and besides {b.wrong}"
        suspect = planted(
            found.seen_as(both), (a.name, b.name), sentence,
            mutants=(a.name, b.name), chapter=chapter_of(a.component), mistakes=2,
        )  # fmt: skip
        if suspect.convicts(evidence):
            yield suspect


def compose(component: Any, a: Mutant, b: Mutant) -> Component | None:
    """``component`` with both mistakes; None where one would undo the other.

    A wrong backward does the rest of its work by the op's own backward. Where both mistakes are in
    the backward, ``a`` takes that one's place within ``b``.
    """
    if a.site == b.site == "method":
        first, second = (_replacements(m.plant(component)) for m in (a, b))
        if first.keys() & second.keys():
            return None
        return dataclasses.replace(component, replacements={**first, **second})
    if not isinstance(component, OpComponent):
        return None
    if {a.site, b.site} == {"forward", "backward"}:
        return b.plant(a.plant(component)) if a.site == "forward" else None
    side = {"forward": 0, "backward": 1}[a.site]
    inner, outer = (m.plant(component).pair[side] for m in (a, b))
    return component.implemented_by(**{a.site: _within(inner, outer, component.pair[side])})


def _within(inner: Any, outer: Any, right: Any) -> Any:
    """``outer``, for whom ``right`` is ``inner``; ``inner`` itself still calls ``right``."""

    def both(*args: Any, **kwargs: Any) -> Any:
        with replacing({right: inner}):
            return outer(*args, **kwargs)

    return both


def _replacements(component: Any) -> dict[Any, Any]:
    return dict(component.replacements)


def _besides(evidence: Evidence) -> Iterator[Suspect]:
    """A mutant, and a mistake of the generic kind on top of it."""
    for suspect in single_mutants(evidence):
        seen = _seen_from(suspect, evidence)
        if seen is None or not set(_changed(suspect, evidence)) <= set(evidence.names):
            continue  # what is right needs no mistake, and none that undoes it
        # With a number that may be anything besides, most mistakes explain most others.
        for mistake in (m for m in generic(seen) if m.mistakes == 1 and not m.fitted):

            def predict(e: Evidence, suspect: Suspect = suspect, mistake: Suspect = mistake) -> Any:
                there = _seen_from(suspect, e)
                if there is None:
                    return None
                prediction = mistake.predict(there)
                return None if prediction is None else {**there.right, **prediction}

            yield _joined([suspect, mistake], predict)


def _seen_from(suspect: Suspect, evidence: Evidence) -> Evidence | None:
    """The evidence as it would look if what the suspect gives were right."""

    def look() -> Evidence | None:
        prediction = suspect.predict(evidence)
        if prediction is None or set(prediction) != set(evidence.right):
            return None
        if not _changed(suspect, evidence):
            return None
        return dataclasses.replace(evidence, right=prediction, cache={})

    return evidence.once(("seen from", suspect.mutants), look)
