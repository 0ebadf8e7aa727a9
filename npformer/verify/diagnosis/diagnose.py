"""The search for what explains a wrong result, on one case or on as many as it takes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.strategies import GeneratorSource
from npformer.verify.component import Component, Random
from npformer.verify.contract import change, repeats_within
from npformer.verify.diagnosis.common import Condition, condition
from npformer.verify.diagnosis.describe import describe
from npformer.verify.diagnosis.diagnosis import Diagnosis, chapter_of
from npformer.verify.diagnosis.evidence import Evidence, is_derived, observe, silence
from npformer.verify.diagnosis.generic import generic, together
from npformer.verify.diagnosis.inside import mutants_inside
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.pairs import pairs
from npformer.verify.diagnosis.suspect import Suspect, single_mutants, when
from npformer.verify.diagnosis.telling import NOTHING, Seen, most_telling
from npformer.verify.diagnosis.wrong_shape import misshapen, wrong_shape
from npformer.verify.diagnosis.wrong_terms import wrong_multiple
from npformer.verify.judge import check_case
from npformer.verify.verdict import GRADIENT

MORE = 40
"""Cases drawn, at most, to tell suspects apart that agree on the first."""
BEFORE = 10
"""Failing cases, and passing ones, of those seen before that are looked at again."""
TRIED = 3
"""Cases tried as the first, where the implementation raises an exception on some."""
CONFIRM = 6
"""Cases that must show the mistake before the only suspect left is believed."""
MISREAD = 1 / 4
"""Cases that nothing explains, at most, for each that is explained: there is more wrong in them."""
SEARCHES = 4
"""How often the search starts again, on two cases that no suspect explains together."""
STARTS = 3
"""How many cases, at most, are tried as the first, where that one cannot be explained."""
WORK = 2_500
"""Input entries, in all, of further cases whose gradients are differences: 4 forwards each."""
ANSWERS = 5
CONDITIONAL = 0.9
"""The score of a sentence about where results are wrong, which trials have confirmed."""

Stage = Callable[[Evidence], Sequence[Suspect]]


@silence()
def diagnose(component: Component, case: Case, wrong: Mapping[str, Any]) -> list[Diagnosis]:
    """What explains a wrong result, best first; empty if it is right or nothing explains it.

    Args:
        component: what is checked; a registered name says which mutants there are.
        case: the case that failed.
        wrong: its results, as ``component.run`` gives them.
    """
    evidence = Evidence.of(component, case, wrong)
    return _answers(search([evidence]), evidence)


@silence()
def diagnose_implementation(
    component: Component, case: Case, seed: int = 0, seen: Seen = NOTHING
) -> list[Diagnosis]:
    """``diagnose``, with as many more cases as it takes to tell the suspects apart.

    ``component`` is the one under test, which is run again here. Of suspects that agree on every
    case, the catalogue's stand together in one diagnosis. ``seen`` are cases that it has been run
    on before; more are drawn.
    """
    cases = most_telling([case, *(c for c in seen.failing if c is not case)])
    if getattr(component, "entrywise", False):  # each entry of an input takes four forwards
        least = min(c.size for c in cases)
        cases = [c for c in cases if c.size <= max(2 * least, WORK // 4)]
    first = next((e for c in cases[:TRIED] if (e := _evidence(component, c)) is not None), None)
    if first is None:  # what does not run has nothing to be compared
        return []
    if (kept := changes_by_itself(first)) is not None:
        factors = _steady_factors(first)
        return [dataclasses.replace(kept, sentence="; besides, ".join([kept.sentence, *factors]))]
    # In turn, since what explains the failing cases has to leave the others right.
    turns = itertools.zip_longest(cases[:BEFORE], most_telling(seen.passing)[:BEFORE])
    before = [c for turn in turns for c in turn if c is not None]
    others = _others(component, [c for c in before if c is not first.case], case.dy.dtype, seed)
    unexplained: list[Evidence] = []
    unsure: list[Diagnosis] = []
    for evidence in itertools.chain([first], others):
        if evidence.names:  # of the first there are none if an invariant failed, or its derivative
            if shapes := misshapen(evidence):
                return _shapes(evidence, shapes)
            found, share = narrow(evidence, others)
            if found:
                unsure = _answers(_together(found), evidence, share)
                if share == 1:
                    return unsure
                break
            unexplained.append(evidence)
            if len(unexplained) == STARTS:
                break

    only = condition(component, Seen(cases, seen.passing), partial(_fails, component, seed))
    limited = [] if only is None else _under(only, component, cases)
    described = unsure or (describe(unexplained) if unexplained else [])
    return described or limited if only is None or only.weak else limited


def _fails(component: Component, seed: int, case: Case) -> bool | None:
    """Whether it is wrong on a case; None if it does not take it."""
    if case.dy.dtype != np.float64 or not is_derived(component):
        evidence = _evidence(component, case)
        return None if evidence is None else bool(evidence.names)
    # Differences of every entry say which are wrong, and one derivative that some are.
    plain = dataclasses.replace(component, entrywise=False)  # type: ignore[type-var]
    try:
        verdict = check_case(plain, case, np.random.default_rng(seed), (GRADIENT,))
    except Random:
        return None
    return None if verdict.refused else bool(verdict.failures)


def _under(only: Condition, component: Component, failing: Sequence[Case]) -> list[Diagnosis]:
    """What is wrong in the failing cases, and the condition that they share."""
    wrong = (e for c in failing if (e := _evidence(component, c)) is not None and e.names)
    first = next(wrong, None)
    if first is None:
        return []
    later = list(itertools.islice(wrong, CONFIRM))
    # The catalogue's mistakes are in a formula; what depends on a layout or a size is not.
    found, share = narrow(first, iter(later), (_generic,))
    said = found[0] if found and share == 1 else None
    patterns = [] if said else describe([first, *later[:STARTS]])
    names = ", ".join(first.names)
    if said:
        sentence = said.sentence
    elif patterns:
        sentence, names = patterns[0].sentence, patterns[0].result
    else:
        sentence = f"{together(list(first.names))} {'is' if len(first.names) == 1 else 'are'} wrong"
    return [Diagnosis(f"{sentence}, {only}", names, (), None, CONDITIONAL)]


def _shapes(evidence: Evidence, names: list[str]) -> list[Diagnosis]:
    """Of a wrong shape a catalogue of values knows nothing."""
    unsummed = [s for s in generic(evidence) if s.mistakes == 1]
    if unsummed:
        return _answers(unsummed, evidence)
    about = known(evidence)
    chapter = chapter_of(about.component.name) if about else None
    return [Diagnosis(wrong_shape(evidence, name), name, (), chapter) for name in names]


def _evidence(component: Component, case: Case) -> Evidence | None:
    """What the implementation makes of the case; None if it does not take it.

    None, too, where nobody knows the right result: of NaN anything differs.
    """
    try:
        evidence = Evidence.of(component, case, observe(component, case))
    except Exception:
        return None
    right = (evidence.right[name] for name in evidence.names if name in evidence.right)
    return evidence if all(np.isfinite(a).all() for a in right) else None


def _others(
    component: Component, before: Sequence[Case], dtype: Any, seed: int
) -> Iterator[Evidence]:
    """Cases looked at before, and then drawn ones."""
    work = WORK if getattr(component, "entrywise", False) else np.inf
    for case in before:
        if (work := work - sum(a.size for a in case.inputs.values())) < 0:
            return
        if (evidence := _evidence(component, case)) is not None:
            yield evidence
    if component.only_hypothesis:  # a plain generator cannot draw them
        return
    source = GeneratorSource(np.random.default_rng([seed, MORE, *component.name.encode()]))
    for _ in range(MORE):
        try:
            case = component.draw(source, dtype)
        except Exception:
            continue
        if (work := work - sum(a.size for a in case.inputs.values())) < 0:
            return
        if (evidence := _evidence(component, case)) is not None:
            yield evidence


def narrow(
    first: Evidence, others: Iterator[Evidence], stages: Sequence[Stage] | None = None
) -> tuple[list[Suspect], float]:
    """What explains ``first``, and the share of the other wrong results that it explains too."""
    trail = [first]
    found = search(trail, stages)
    shown, refuted, searches = 1, 0, 0
    while found and (len(found) > 1 or shown < CONFIRM) and refuted <= MISREAD * shown:
        evidence = next(others, None)
        if evidence is None:
            break
        left = [suspect for suspect in found if suspect.fits(evidence)]
        if not left and searches < SEARCHES:
            searches += 1
            left = search([*trail, evidence], stages)
        if left:
            found = left
            trail.append(evidence)
            shown += any(suspect.convicts(evidence) for suspect in found)
        else:  # there is more wrong here than in the cases before, or they were misread
            refuted += 1
    return ([] if refuted > MISREAD * shown else found), shown / (shown + refuted)


def changes_by_itself(evidence: Evidence) -> Diagnosis | None:
    """Says so, if the same call gives another result the second time."""
    again = observe(evidence.component, evidence.case)
    least = repeats_within(evidence.component, evidence.case)
    changed = [n for n, a in evidence.wrong.items() if not change(a, again.get(n)) <= least]
    if not changed:
        return None
    return Diagnosis(
        "a second call with the same arguments gives another result: something is kept from the "
        "call before, or drawn at random",
        ", ".join(changed),
    )


def _steady_factors(evidence: Evidence) -> list[str]:
    """What the results are multiplied by, which noise does not hide."""
    return [
        mistake.sentence.format(name=name)
        for name in evidence.names
        for mistake in wrong_multiple(evidence, name)
    ]


def search(trail: Sequence[Evidence], stages: Sequence[Stage] | None = None) -> list[Suspect]:
    """What explains every piece of evidence, by as few mistakes as possible.

    ``stages`` are the kinds of mistakes that are tried in turn; all of them if None.
    """
    first = next((evidence for evidence in trail if evidence.names), None)
    if first is None:
        return []
    for suspects in stages or (_mutants, _generic, _inside, pairs, generic):
        every = first.once(suspects, partial(suspects, first))
        found = [s for s in every if all(s.fits(evidence) for evidence in trail)]
        if found:
            return [s for s in found if not s.fitted] or found
    return []


def _mutants(evidence: Evidence) -> list[Suspect]:
    return [s for s in single_mutants(evidence) if s.convicts(evidence)]


def _generic(evidence: Evidence) -> list[Suspect]:
    return [s for s in generic(evidence) if s.mistakes == 1]


def _inside(evidence: Evidence) -> list[Suspect]:
    return [s for s in mutants_inside(evidence) if s.convicts(evidence)]


def _together(found: list[Suspect]) -> list[Suspect]:
    """What the catalogue knows, if it knows any of it; single mutants as one, which is "or"."""
    known = {frozenset(s.mutants): s for s in reversed(found) if len(s.mutants) == s.mistakes}
    if not known:
        return found
    suspects = list(reversed(known.values()))
    first = suspects[0]
    if first.mistakes > 1 or len(suspects) == 1:
        return suspects
    names = tuple(name for s in suspects for name in s.mutants)
    said = [first.sentence, *(s.sentence.replace(when(""), "when ") for s in suspects[1:])]
    return [Suspect(", or ".join(said), first.predict, names, first.chapter)]


def _answers(found: Sequence[Suspect], evidence: Evidence, share: float = 1.0) -> list[Diagnosis]:
    if not found:
        return describe([evidence])
    likely_first = sorted(found, key=lambda s: (s.mistakes, not s.mutants))
    said = {s.sentence: s for s in likely_first}
    return [s.diagnosis(evidence, share / len(said)) for s in list(said.values())[:ANSWERS]]
