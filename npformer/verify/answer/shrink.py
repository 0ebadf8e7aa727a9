"""The smallest and plainest case that still shows a fault, from one that was found.

Two searches by Hypothesis. The first is over cases that are easily read, axes of 1 to 3 and
integers; most mistakes show there. One that needs more, a magnitude or a particular size, is shrunk
among the cases of the kind that found it, starting from that very case. Then arrays are made 0, 1
or round, as a whole and in parts, and laid out plainly, as long as the fault stays. The same case
and seed give the same smallest case.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, is_output
from npformer.cards.strategies import SimpleSource
from npformer.verify import protocol
from npformer.verify.answer.locate import located
from npformer.verify.component import Component
from npformer.verify.component import cases as generated
from npformer.verify.judge import check_case
from npformer.verify.verdict import Failure

BUDGET = {"module": 120, "optimizer": 200}
"""How many cases are tried, by kind: a model's case is dearer."""
USUAL_BUDGET = 500
READABLE = (0.01, 100.0)
ENTRIES = 64
"""In a case of more, which is not read number by number, the right ones are not looked up."""
TIDYING = 200
"""Further cases for the last step."""
KEY = b"npformer"


def smallest(
    component: Component,
    case: Case,
    shows: Callable[[Case], bool],
    choices: tuple[int, ...] = (),
    seed: int = 0,
    seconds: float = np.inf,
) -> Case:
    """The plainest case found for which ``shows`` is still true.

    ``choices`` are those that drew ``case``. After so many seconds of this process's own time the
    search ends with what it has.
    """
    import hypothesis  # noqa: F401  which takes a second the first time, and not from the search

    still = _Shows(shows, BUDGET.get(component.kind, USUAL_BUDGET), seconds)
    found = None
    if not component.only_hypothesis:
        found = _find(_simple(component, case.dy.dtype), still, seed, (), 150)
    if found is None:
        still.left = max(still.left, USUAL_BUDGET // 2)
        found = _find(generated(component, case.dy.dtype), still, seed, choices, 60)
    # Hypothesis prefers few and plain choices; of those, a larger array may cost fewer.
    known = [each for each in (found, case) if each is not None and still(each)]
    best = min(known or [case], key=lambda case: case.size)
    still.left += TIDYING
    for plainer in (_laid_out, _other_arrays, _numbers, _entries):
        best = plainer(best, still)
    return best


def smallest_failure(
    component: Component, like: Failure, choices: tuple[int, ...] = (), seed: int = 0
) -> Failure:
    """The failure of the smallest case that fails as ``like``, which ``choices`` drew.

    One with rows that vary and answers about 1 is taken before a smaller one: in a row without
    variance a gradient may be as large as some eps makes it, which hides the formula.
    """

    def again(case: Case) -> Failure | None:
        if like.oracle == "protocol":
            found = protocol.again(component, case, like)
        else:
            found = check_case(component, case, np.random.default_rng(0)).failures
        same = (f for f in found if (f.result, f.oracle) == (like.result, like.oracle))
        return next(same, None)

    assert like.case is not None

    def readable(case: Case) -> bool:
        found = again(case) if _varied(case) else None
        if found is None:
            return False
        if sum(a.size for a in case.inputs.values()) > ENTRIES:
            return _of_size_one(component.run(case))
        return _about_one(located(component, found))

    case = smallest(component, like.case, readable, choices, seed)
    if readable(case):
        return again(case) or like
    case = smallest(component, like.case, lambda case: bool(again(case)), choices, seed)
    return again(case) or like


def _varied(case: Case) -> bool:
    """Whether no row of the largest input has the same number throughout."""
    largest = max(case.inputs.values(), key=np.size)
    if not largest.ndim or largest.shape[-1] < 2:
        return True
    return not largest.size or bool((np.ptp(largest, axis=-1) > 0).all())


def _about_one(failure: Failure) -> bool:
    """Whether the numbers are 0 or can be read at a glance."""
    numbers = [abs(n) for n in (failure.expected, failure.got) if n and np.isfinite(n)]
    return all(READABLE[0] <= n <= READABLE[1] for n in numbers)


def _of_size_one(result: Result) -> bool:
    """Whether the gradients are 0 or of about that size."""
    gradients = [np.asarray(g, np.float64) for name, g in result.items() if not is_output(name)]
    sizes = [float(np.sqrt(np.mean(np.square(g)))) for g in gradients if g.size and g.any()]
    return all(READABLE[0] <= size <= READABLE[1] for size in sizes)


class _Shows:
    """Whether a case shows the fault, remembered, for so many cases and seconds only."""

    def __init__(self, shows: Callable[[Case], bool], budget: int, seconds: float) -> None:
        self.shows, self.left = shows, budget
        self.end = time.process_time() + seconds
        self.known: dict[Any, bool] = {}

    def __call__(self, case: Case) -> bool:
        key = case.key
        if key not in self.known:
            if self.left <= 0 or time.process_time() > self.end:
                return False
            self.left -= 1
            try:
                self.known[key] = self.shows(case)
            except Exception:  # no case that the component takes
                self.known[key] = False
        return self.known[key]


def _laid_out(case: Case, shows: _Shows) -> Case:
    """Each array with its rows one after the other in memory, where that changes nothing."""
    for array, replaced in _arrays(case):
        if not (old := array(case)).flags.c_contiguous:
            case = _tried(case, replaced(case, np.array(old, order="C")), shows)
    return case


def _other_arrays(case: Case, shows: _Shows) -> Case:
    """Targets, ids and masks: all alike if they can be, or else as many as can."""
    for name, value in case.static.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iub":
            continue
        plain = 1 if value.dtype.kind == "b" else 0
        for index in (..., *itertools.islice(np.ndindex(value.shape), 40)):
            array = case.static[name].copy()
            array[index] = plain
            other = dataclasses.replace(case, static={**case.static, name: array})
            if not np.array_equal(array, case.static[name]) and shows(other):
                case = other
    return case


def _numbers(case: Case, shows: _Shows) -> Case:
    """Arrays of 0 or 1, or else with numbers of as few digits as still show the fault."""
    for array, replaced in _arrays(case):
        old = array(case)
        for plain in _plainer(old):
            if np.array_equal(plain, old, equal_nan=True):
                break
            if (moved := _tried(case, replaced(case, plain), shows)) is not case:
                case = moved
                break
    return case


def _entries(case: Case, shows: _Shows) -> Case:
    """Arrays with as many zeros as still show the fault, and else with ones."""
    for array, replaced in _arrays(case):
        if array(case).size > ENTRIES:
            continue
        parts = [np.arange(array(case).size)]
        while parts:
            entries = parts.pop()
            old = array(case).flat[entries]
            plain = [0, 1] if len(entries) == 1 else [0]
            for number in plain:
                if np.all(old == number):
                    break
                new = array(case).copy()
                new.flat[entries] = number
                if (moved := _tried(case, replaced(case, new), shows)) is not case:
                    case = moved
                    break
            else:
                if len(entries) > 1:
                    half = len(entries) // 2
                    parts += [entries[:half], entries[half:]]
    return case


def _plainer(array: Array) -> Iterator[Array]:
    yield np.zeros_like(array)
    if not np.isin(array, (0, 1)).all():
        yield np.ones_like(array)
    for digits in range(7):
        rounded = np.round(array, digits).astype(array.dtype) + array.dtype.type(0)  # no -0
        # A number that was rounded before has no more digits to lose.
        yield np.where(np.abs(array) < 1e6, rounded, array)


Slot = tuple[Callable[[Case], Array], Callable[[Case, Array], Case]]
"""How an array of a case is read, and the case with another in its place."""


def _arrays(case: Case) -> list[Slot]:
    """Every input and every upstream gradient."""

    def given(name: str) -> Slot:
        return lambda c: c.inputs[name], lambda c, a: c.with_inputs({name: a})

    def upstream(name: str) -> Slot:
        return lambda c: c.upstream[name], lambda c, a: c.with_upstream({name: a})

    return [*map(given, case.inputs), *map(upstream, case.upstream)]


def _tried(case: Case, other: Case, shows: _Shows) -> Case:
    """The other case, if it still shows the fault."""
    return other if shows(other) else case


class _WholeArrays(SimpleSource):
    """An array costs one choice: Hypothesis takes long to shrink one of each of its entries."""

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        from hypothesis import strategies as st

        numbers = (0, 1, -1, 2, -2, 3, -3)
        # Of one range for every shape: a choice stays valid while Hypothesis shrinks the sizes.
        left = self.draw(st.integers(0, len(numbers) ** self.most - 1))
        flat: list[int] = []
        for _ in range(math.prod(shape)):
            left, digit = divmod(left, len(numbers))
            flat.append(numbers[digit])
        return np.array(flat, dtype).reshape(shape)


def _simple(component: Component, dtype: np.dtype) -> Any:
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: Any) -> Case:
        return component.draw(_WholeArrays(draw), dtype)

    return drawn()


def _find(
    strategy: Any, shows: _Shows, seed: int, choices: tuple[int, ...], examples: int
) -> Case | None:
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.database import InMemoryExampleDatabase
    from hypothesis.errors import HypothesisException

    database = InMemoryExampleDatabase()
    if choices:
        from hypothesis.database import choices_to_bytes

        database.save(KEY, choices_to_bytes(choices))
    phases = [Phase.reuse, Phase.generate, Phase.shrink]
    try:
        return find(
            strategy,
            shows,
            settings=settings(
                max_examples=examples,
                database=database,
                deadline=None,
                phases=phases,
                report_multiple_bugs=False,  # there is one: once it is found, it is shrunk
                suppress_health_check=list(HealthCheck),
            ),
            random=random.Random(seed),
            database_key=KEY,
        )
    except HypothesisException:  # none fails, or drawing is not repeatable
        return None
