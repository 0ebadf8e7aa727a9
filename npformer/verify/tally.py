"""Many cases of one component in one dtype, and what they showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Case, is_output
from npformer.cards.strategies import GeneratorSource
from npformer.verify import protocol
from npformer.verify.component import Component, Random, Refused
from npformer.verify.component import cases as generated
from npformer.verify.judge import check_case
from npformer.verify.reference.wide import is_large
from npformer.verify.units.sixteen import numpy_dtype
from npformer.verify.verdict import Failure, Verdict

ALONE = "its own forward"
"""What a function without a reference is checked against."""
KEPT = 200
"""Cases kept, of each verdict."""
SURE = 3
"""Cases in which a result was wrong on a second look: no other needs one."""
DRAWS = 4
"""For each case wanted, as many are drawn at most: some may be refused."""


@dataclass
class Tally:
    """What all cases of one component in one dtype showed."""

    component: str
    kind: str
    dtype: str
    seed: int
    cases: int = 0
    forward_error: float = 0.0
    gradient_error: float = 0.0
    pytorch_forward_error: float = 0.0
    pytorch_gradient_error: float = 0.0
    directional_cases: int = 0
    directional_gap: float = 0.0
    failed_cases: int = 0
    failure: Failure | None = None
    """Of the smallest case that failed."""
    choices: tuple[int, ...] = field(default=(), repr=False)
    """That drew this case."""
    wrong: dict[str, int] = field(default_factory=dict)
    """By result, in how many cases it was not accepted."""
    sizes: dict[str, set[int]] = field(default_factory=dict)
    """That the axes had, by letter."""
    failing: list[Case] = field(default_factory=list, repr=False, compare=False)
    """The first cases that failed, for the diagnosis."""
    passing: list[Case] = field(default_factory=list, repr=False, compare=False)
    """The first that did not."""
    differentiated: list[Case] = field(default_factory=list, repr=False, compare=False)
    """Those of them where the derivative of the forward was compared with the gradient."""
    large: int = 0
    """Cases that were too large to be looked at in extended precision."""
    refused: int = 0
    """Further cases, on which somebody's function raised."""
    refusal: str = ""
    """What it said to the first of them."""
    compared: dict[str, int] = field(default_factory=dict)
    """By result, how many entries were compared with a number of the reference's."""
    entries: dict[str, int] = field(default_factory=dict)
    """By result, how many there were."""

    @property
    def passed(self) -> bool:
        return self.failure is None

    def refuse(self, message: str) -> None:
        """Count a case that gave no result."""
        self.refused += 1
        self.refusal = self.refusal or message

    @property
    def unjudged(self) -> list[str]:
        """The results that no oracle has said anything about."""
        return [
            name
            for name, entries in self.entries.items()
            if entries
            and not self.compared[name]
            and (is_output(name) or not self.directional_cases)
        ]

    def add(self, case: Case, outcome: Verdict, choices: Sequence[int] = ()) -> None:
        """Count one case in, which was drawn by these choices."""
        if outcome.refused:
            self.refuse(outcome.refused)
            return
        self.cases += 1
        self.large += case.dy.dtype == np.float64 and is_large(case)
        kept = self.failing if outcome.failures else self.passing
        if len(kept) < KEPT:
            kept.append(case)
            if not outcome.failures and outcome.directional is not None:
                self.differentiated.append(case)
        for name, entries in outcome.entries.items():
            self.entries[name] = self.entries.get(name, 0) + entries
            self.compared[name] = self.compared.get(name, 0) + outcome.compared[name]
        for errors, kind in ((outcome.ours, ""), (outcome.pytorch, "pytorch_")):
            for name, error in errors.items():
                which = f"{kind}forward_error" if is_output(name) else f"{kind}gradient_error"
                setattr(self, which, max(getattr(self, which), error))
        if outcome.directional is not None:
            self.directional_cases += 1
            self.directional_gap = max(self.directional_gap, outcome.directional)
        if outcome.failures:
            self.failed_cases += 1
            for name in dict.fromkeys(f.result for f in outcome.failures):
                self.wrong[name] = self.wrong.get(name, 0) + 1
            known = self.failure.case if self.failure else None
            if known is None or case.size < known.size:
                self.failure, self.choices = outcome.failures[0], tuple(choices)

    def surely_wrong(self, case: Case) -> set[str]:
        """The results that need no second look, unless the case may be the one to be shown."""
        known = self.failure.case if self.failure else None
        if known is None or case.size < known.size:
            return set()
        return {name for name, cases in self.wrong.items() if cases >= SURE}

    def show(self, failure: Failure) -> None:
        """Have its error among the figures: it may come from an oracle that was asked later."""
        self.failure = failure
        if failure.index is not None:
            which = "forward_error" if is_output(failure.result) else "gradient_error"
            setattr(self, which, max(getattr(self, which), failure.error))

    def see(self, sizes: Mapping[str, int]) -> None:
        """Remember the sizes of one case's axes."""
        for letter, size in sizes.items():
            self.sizes.setdefault(letter, set()).add(size)


def check_component(
    component: Component,
    cases: int = 50,
    seed: int = 0,
    dtype: Any = np.float64,
    *,
    stop_at_failure: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Tally:
    """``cases`` generated cases of one component against every oracle, in ``dtype``.

    ``tell`` hears ten times how far it is, ``40 of 100 cases``.

    Raises ``Random``, a ``VerifyError``, if it gives another output for the same case.
    """
    tally = Tally(
        component.name,
        component.kind,
        dtype if isinstance(dtype, str) else np.dtype(dtype).name,
        seed,
    )
    held = numpy_dtype(dtype)

    def count(case: Case, outcome: Verdict, choices: Sequence[int] = ()) -> None:
        tenths = 10 * tally.cases // cases
        tally.add(case, outcome, choices)
        if 10 * tally.cases // cases > tenths:
            tell(f"{tally.cases} of {cases} cases")

    # The name takes part in the seed, so that components do not all see the same numbers.
    rng = np.random.default_rng([seed, *component.name.encode()])
    if component.only_hypothesis:
        _under_hypothesis(component, cases, seed, tally, rng, count)
        return tally
    source = GeneratorSource(rng)
    for _ in range(cases * DRAWS):
        source.made.clear()
        try:
            case = component.draw(source, held)
        except Refused as error:
            tally.refuse(str(error))
            continue
        tally.see(component.sizes(case))
        count(case, _judged(component, case, rng, tally), source.made)
        if tally.cases == cases or (stop_at_failure and tally.failure):
            break
    return tally


def _judged(component: Component, case: Case, rng: np.random.Generator, tally: Tally) -> Verdict:
    """The verdict on one case; where that is right, the protocol of use is tried too."""
    outcome = check_case(component, case, rng, tally.surely_wrong(case))
    right = not outcome.refused and not outcome.failures
    if right and component.lenient and case.size:
        new = len(tally.passing) < protocol.CASES
        number = len(tally.passing) if new else protocol.CASES + tally.cases
        outcome.failures += protocol.protocol(component, case, number)
    return outcome


def _under_hypothesis(
    component: Component,
    cases: int,
    number: int,
    tally: Tally,
    rng: np.random.Generator,
    count: Callable[[Case, Verdict], None],
) -> None:
    """Cases from strategies: Hypothesis alone can draw them."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    random: list[Random] = []
    every = generated(component, numpy_dtype(tally.dtype))

    @seed(number)
    @settings(
        max_examples=cases,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def each(data: Any) -> None:
        if random:
            return
        try:
            case = data.draw(every)
            count(case, _judged(component, case, rng, tally))
        except Refused as error:
            tally.refuse(str(error))
        except Random as error:  # Hypothesis would try it again, and find it flaky
            random.append(error)

    each()
    if random:
        raise random[0]
