"""The smallest case that fails in the same way: what Hypothesis makes of one that was found.

Two searches. The first is over cases that are easily read, axes of 1 to 3 and integers; most
mistakes show there. One that needs more, a magnitude or a particular size, is shrunk among the
cases of the kind that found it, starting from that very case. The same failure and seed give the
same smallest case.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.strategies import SimpleSource
from npformer.verify.component import Component
from npformer.verify.component import cases as generated
from npformer.verify.judge import Failure, check_case

BUDGET = {"module": 120, "optimizer": 200}
"""How many cases are tried, by kind: a model's case is dearer."""
USUAL_BUDGET = 500
KEY = b"npformer"


def smallest(
    component: Component, failure: Failure, choices: tuple[int, ...] = (), seed: int = 0
) -> Failure:
    """The failure of the smallest case found. ``choices`` are those that drew ``failure.case``."""
    assert failure.case is not None
    fails = _Fails(component, failure, BUDGET.get(component.kind, USUAL_BUDGET))
    dtype = failure.case.dy.dtype
    found = None
    if not component.only_hypothesis:
        found = _find(_simple(component, dtype), fails, seed, (), 150)
    if found is None:
        fails.left = max(fails.left, USUAL_BUDGET // 2)
        found = _find(generated(component, dtype), fails, seed, choices, 60)
    # Hypothesis prefers few and plain choices; of those, a larger array may cost fewer.
    simplest = failure.case if found is None else found
    best = fails.tidied(min(simplest, failure.case, key=lambda case: case.size))
    return fails.failures.get(_key(best)) or failure


class _Fails:
    """Whether a case fails as the first one did, remembered, and for so many cases only."""

    def __init__(self, component: Component, like: Failure, budget: int) -> None:
        self.component, self.like, self.left = component, like, budget
        self.failures: dict[Any, Failure | None] = {}

    def __call__(self, case: Case) -> bool:
        key = _key(case)
        if key not in self.failures:
            if self.left <= 0:
                return False
            self.left -= 1
            outcome = check_case(self.component, case, np.random.default_rng(0))
            alike = (f for f in outcome.failures if self._alike(f))
            self.failures[key] = next(alike, None)
        return self.failures[key] is not None

    def _alike(self, failure: Failure) -> bool:
        return (failure.result, failure.oracle) == (self.like.result, self.like.oracle)

    def tidied(self, case: Case) -> Case:
        """The case with numbers of as few digits as still fail, and arrays laid out plainly."""
        self.left += 200
        changes: list[Callable[[Array], Array]] = [lambda array: np.array(array, order="C")]
        for change in (*changes, *(_rounded(digits) for digits in range(7))):
            for name in (*case.inputs, "dy"):
                old = case.dy if name == "dy" else case.inputs[name]
                new = change(old)
                if np.array_equal(new, old, equal_nan=True) and new.strides == old.strides:
                    continue
                moved = (
                    dataclasses.replace(case, dy=new)
                    if name == "dy"
                    else case.with_inputs({name: new})
                )
                if self(moved):
                    case = moved
        self(case)
        return case


def _rounded(digits: int) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        rounded = np.round(array, digits).astype(array.dtype)
        # A number that was rounded before has no more digits to lose.
        return np.where(np.abs(array) < 1e6, rounded, array)

    return change


def _simple(component: Component, dtype: np.dtype) -> Any:
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: Any) -> Case:
        return component.draw(SimpleSource(draw), dtype)

    return drawn()


def _find(
    strategy: Any, fails: _Fails, seed: int, choices: tuple[int, ...], examples: int
) -> Case | None:
    from hypothesis import Phase, find, settings
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
            fails,
            settings=settings(
                max_examples=examples, database=database, deadline=None, phases=phases
            ),
            random=random.Random(seed),
            database_key=KEY,
        )
    except HypothesisException:  # none fails, or drawing is not repeatable
        return None


def _key(case: Case) -> Any:
    arrays = (*case.inputs.values(), case.dy)
    static = tuple(
        (n, v.tobytes() if isinstance(v, np.ndarray) else repr(v)) for n, v in case.static.items()
    )
    return tuple((a.shape, a.strides, a.tobytes()) for a in arrays), static
