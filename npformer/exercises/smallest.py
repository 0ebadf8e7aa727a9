"""From a case that shows a fault to the smallest and plainest one that shows the same.

Hypothesis shrinks the choices that made the case: the masks, flags and kinds of values. Axes are
then cut to fewer entries, and numbers replaced by 0, 1 and other round ones, as long as the fault
stays. What is left can be worked out by hand.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.strategies import HypothesisSource
from npformer.exercises.method_question import MethodQuestion
from npformer.exercises.question import Question

Array = np.ndarray
Shows = Callable[[Case], bool]

SECONDS = 4.0
EXAMPLES = 60


def smallest(question: Question, case: Case, shows: Shows) -> Case:
    """The plainest case found within some seconds for which ``shows`` is still true.

    Seconds of this process's own: on a busy machine the same case is found, only later.
    """
    import hypothesis  # noqa: F401  which takes a second the first time, and not from the search

    end = time.process_time() + SECONDS

    def still(other: Case) -> bool:
        if time.process_time() > end:
            raise _Late
        return shows(other)

    best = _Best(case)
    for step in (_by_choices, _by_other_arrays, _by_axes, _by_numbers):
        try:
            step(question, best, still)
        except _Late:
            break
    return best.case


class _Late(Exception):
    pass


class _Best:
    def __init__(self, case: Case) -> None:
        self.case = case


def _by_choices(question: Question, best: _Best, shows: Shows) -> None:
    from hypothesis import HealthCheck, Phase, assume, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    @st.composite
    def drawn(draw: Any) -> Case:
        case = question.draw_once(HypothesisSource(draw))
        assume(question.suits(case))
        return case

    def condition(case: Case) -> bool:
        found = shows(case)
        if found and case.size <= best.case.size:
            best.case = case
        return found

    quiet = settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        best.case = find(drawn(), condition, settings=quiet, random=random.Random(0))
    except NoSuchExample:
        return


def _by_other_arrays(question: Question, best: _Best, shows: Shows) -> None:
    """Targets, ids and masks: all alike if they can be, or else as many as can."""
    for name, value in best.case.static.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iub":
            continue
        plain = 1 if value.dtype.kind == "b" else 0
        if _try_static(best, name, np.full_like(value, plain), shows):
            continue
        for index in itertools.islice(np.ndindex(value.shape), 40):
            one = best.case.static[name].copy()
            one[index] = plain
            _try_static(best, name, one, shows)


def _try_static(best: _Best, name: str, array: Array, shows: Shows) -> bool:
    if np.array_equal(array, best.case.static[name]):
        return False
    case = dataclasses.replace(best.case, static={**best.case.static, name: array})
    if not shows(case):
        return False
    best.case = case
    return True


def _by_axes(question: Question, best: _Best, shows: Shows) -> None:
    """Cut every axis of one length, in all arrays at once: letters have lengths of their own."""
    case = best.case
    arrays = {**case.static, **case.inputs, "dy": case.dy}
    letters = {n: a.shape for n, a in arrays.items() if isinstance(a, np.ndarray)}
    fixed = _lengths_of_parameters(question, case)
    lengths = {n: n for s in letters.values() for n in s if n > 1 and n not in fixed}
    again = True
    while again:
        again = False
        for letter, length in sorted(lengths.items(), reverse=True):
            for shorter in range(1, length):
                cut = _cut(best.case, letters, letter, shorter)
                if shows(cut):
                    best.case, again = cut, True
                    lengths[letter] = shorter
                    break


def _lengths_of_parameters(question: Question, case: Case) -> set[int]:
    """Lengths that a module's configuration decides."""
    if not isinstance(question, MethodQuestion):
        return set()
    inputs = question.base.inputs  # type: ignore[attr-defined]
    return {n for name, a in case.inputs.items() if name not in inputs for n in a.shape}


def _cut(case: Case, letters: dict[str, tuple[int, ...]], letter: int, shorter: int) -> Case:
    def cut(name: str, value: Any) -> Any:
        if name not in letters:
            return value
        return value[tuple(slice(shorter if n == letter else None) for n in letters[name])].copy()

    return Case(
        {n: cut(n, a) for n, a in case.inputs.items()},
        {n: cut(n, v) for n, v in case.static.items()},
        cut("dy", case.dy),
    )


CHANGES: tuple[Callable[[Array], Any], ...] = (
    np.zeros_like,
    np.ones_like,
    np.round,
    lambda array: np.round(array, 1),
)


def _by_numbers(question: Question, best: _Best, shows: Shows) -> None:
    for name in (*best.case.inputs, "dy"):
        for change in CHANGES:
            if _try(best, name, change(_array(best.case, name)), shows):
                break
    if best.case.size > 200:
        return
    for name in (*best.case.inputs, "dy"):
        for index in itertools.islice(np.ndindex(_array(best.case, name).shape), 40):
            for value in _plainer(float(_array(best.case, name)[index])):
                array = _array(best.case, name).copy()
                array[index] = value
                if _try(best, name, array, shows):
                    break


def _plainer(value: float) -> Iterator[float]:
    if value not in (0.0, 1.0):
        yield from (v for v in (0.0, 1.0, float(round(value)), round(value, 1)) if v != value)
    elif value == 1.0:
        yield 0.0


def _array(case: Case, name: str) -> Array:
    return case.dy if name == "dy" else case.inputs[name]


def _try(best: _Best, name: str, array: Any, shows: Shows) -> bool:
    array = np.asarray(np.array(array) + 0.0)  # no negative zeros; 0-d stays an array
    if name == "dy":
        case = dataclasses.replace(best.case, dy=array)
    else:
        case = best.case.with_inputs({name: array})
    if np.array_equal(array, _array(best.case, name)) or not shows(case):
        return False
    best.case = case
    return True
