"""Mistakes that any gradient can have, told from the right gradient and the case alone."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from npformer.cards.case import Result, is_output
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake
from npformer.verify.diagnosis.suspect import Prediction, Suspect
from npformer.verify.diagnosis.wrong_axes import wrong_axes
from npformer.verify.diagnosis.wrong_digits import wrong_digits
from npformer.verify.diagnosis.wrong_outputs import wrong_outputs
from npformer.verify.diagnosis.wrong_rows import not_reduced, wrong_rows
from npformer.verify.diagnosis.wrong_size import not_a_number, wrong_arrays, wrong_factors
from npformer.verify.diagnosis.wrong_terms import wrong_multiple, wrong_terms
from npformer.verify.diagnosis.wrong_transpose import wrong_transpose

MOST_EXCHANGED = 4


def generic(evidence: Evidence) -> list[Suspect]:
    """What explains everything that is wrong by mistakes of this kind, likelier ones first."""
    if not evidence.names or not set(evidence.names) <= set(evidence.right):
        return []
    return [*_exchanged(evidence), *each_wrong(evidence, lambda name: fitting(evidence, name))]


def fitting(evidence: Evidence, name: str) -> list[Mistake]:
    """The mistakes that explain one wrong result."""

    def fits(mistake: Mistake) -> bool:
        try:
            predicted = mistake.predict(evidence, name)
        except Exception:  # the implementation, or its reference, does not take what is tried
            return False
        return predicted is not None and evidence.fits(name, predicted)

    if name not in evidence.right:
        return []

    return evidence.once(
        ("fitting", name), lambda: [m for m in _mistakes(evidence, name) if fits(m)]
    )


def _mistakes(evidence: Evidence, name: str) -> Iterator[Mistake]:
    yield from wrong_factors(evidence, name)
    yield from wrong_digits(evidence)
    if not is_output(name):
        yield from wrong_outputs(evidence)
        yield from wrong_rows(evidence)
    yield from wrong_arrays(evidence)
    yield from wrong_axes(evidence.right[name].ndim)
    yield from not_reduced(evidence, name)
    yield not_a_number()
    yield from wrong_transpose(name)
    yield from wrong_multiple(evidence, name)
    yield from wrong_terms(evidence, name)


def blame(mistakes: Mapping[str, Mistake]) -> Suspect:
    """One mistake for each of some results."""

    def predict(evidence: Evidence) -> Result | None:
        found = {}
        for name, mistake in mistakes.items():
            predicted = mistake.predict(evidence, name) if name in evidence.right else None
            if predicted is None:
                return None
            found[name] = predicted
        return found

    same = {mistake.sentence for mistake in mistakes.values()}
    if len(same) == 1:
        sentence = _of_all(same.pop(), list(mistakes))
    else:
        sentence = "; ".join(m.sentence.format(name=n) for n, m in mistakes.items())
    fitted = any(mistake.fitted for mistake in mistakes.values())
    return Suspect(sentence, predict, mistakes=max(1, len(same)), fitted=fitted)


def _of_all(sentence: str, names: list[str]) -> str:
    """The sentence of one mistake about several results: ``dq and dk are zero``."""
    if len(names) > 1:
        verb = {"is": "are", "has": "have", "lacks": "lack", "holds": "hold", "stands": "stand",
                "ignores": "ignore"}  # fmt: skip
        sentence = re.sub(
            r"(?<=\{name\} )\w+", lambda found: verb.get(found[0], found[0]), sentence
        )
    return sentence.format(name=together(names))


def each_wrong(
    evidence: Evidence, explain: Callable[[str], Iterable[Mistake]]
) -> Iterator[Suspect]:
    """The same mistake in all that is wrong, or else one in each, of those that explain it."""
    names = evidence.names
    options = []
    for name in names:
        options.append({m.sentence: m for m in explain(name)})
        if not options[-1]:  # nothing explains all, and the others need not be looked at
            return
    common = [s for s in options[0] if all(s in more for more in options)]
    for sentence in common:
        yield blame({name: more[sentence] for name, more in zip(names, options, strict=True)})
    if not common:
        for chosen in itertools.product(*(list(more.values())[:3] for more in options)):
            yield blame(dict(zip(names, chosen, strict=True)))


def _exchanged(evidence: Evidence) -> Iterator[Suspect]:
    """Gradients that came back in another order."""
    names = evidence.names
    if any(map(is_output, names)) or not 2 <= len(names) <= MOST_EXCHANGED:
        return
    for order in itertools.permutations(names):
        if all(a != b for a, b in zip(order, names, strict=True)):
            stand = (f"{b} stands where {a} belongs" for a, b in zip(names, order, strict=True))
            text = f"gradients come back in the wrong order: {', '.join(stand)}"
            suspect = Suspect(text, _reordered(names, order))
            if suspect.fits(evidence):
                yield suspect


def _reordered(names: tuple[str, ...], order: tuple[str, ...]) -> Prediction:
    def predict(evidence: Evidence) -> Result | None:
        if not set(names) <= set(evidence.right):
            return None
        return {a: evidence.right[b] for a, b in zip(names, order, strict=True)}

    return predict


def together(names: list[str]) -> str:
    """``dq, dk and dv``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
