"""How a backward is used: twice on one forward, after another forward, with an input frozen.

A comparison of one forward and its backward sees none of this; training does all of it. What is
asked here needs no reference: the gradient must be the one of the plain call. The first cases are
asked everything, and every case freezes one input, each in turn.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable

import numpy as np

from npformer.cards.case import Case, Result, is_output
from npformer.verify.component import Component
from npformer.verify.contract import REPEATS, change
from npformer.verify.subjects.subjects import Subject
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.measured import ACCEPT, disturbed
from npformer.verify.verdict import Failure

CASES = 3
"""Of each dtype, that are asked everything; most of what breaks a protocol breaks it anywhere."""
FAR = 0.25
"""How far off, of their size, the inputs of another forward are."""


def protocol(component: Component, case: Case, number: int = 0) -> list[Failure]:
    """What breaks on this case, which a plain call gets right; of many cases this is ``number``.

    Beyond the first ``CASES`` one input is frozen, and nothing else asked.
    """
    subject = getattr(component, "subject", None)
    if not isinstance(subject, Subject):
        return []
    if number < CASES:
        return broken(component, case, trials(subject, case))
    named = list(case.inputs)
    return broken(component, case, _freezing(subject, case, named[number % len(named)]))


def again(component: Component, case: Case, like: Failure) -> list[Failure]:
    """What breaks on this case in the use of the backward that ``like`` is about."""
    subject = getattr(component, "subject", None)
    known = trials(subject, case) if isinstance(subject, Subject) else {}
    same = {said: each for said, each in known.items() if like.message.startswith(said)}
    return broken(component, case, same or {s: known[s] for s in known if s is ZERO})


def broken(component: Component, case: Case, uses: Trials) -> list[Failure]:
    """The gradients that are another in one of these uses. A trial that raises is lost."""
    found: list[Failure] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            every = component.run(case) if uses else {}
        except Exception:
            return []
        plain = {n: a for n, a in every.items() if not is_output(n)}
        if not all(np.isfinite(a).all() for a in plain.values()):
            return []
        for said, (_, use) in uses.items():
            try:
                result = use()
                wanted = _zero(plain) if said is ZERO else plain
                found += [
                    Failure(name, "protocol", f"{said}: {_apart(a, wanted[name])}", np.inf, case)
                    for name, a in result.items()
                    if name in wanted and not _same(component, case, name, a, wanted[name])
                ]
            except Exception:
                continue
    return found


Trials = dict[str, tuple[str, Callable[[], Result]]]
ZERO = "an upstream gradient of zeros gives a gradient that is not zero"


def trials(subject: Subject, case: Case) -> Trials:
    """By what is said of one that fails: when that is, and the gradients of that use."""

    def twice() -> Result:
        backward = subject.opened(case)
        backward(case)
        return backward(case)

    def after_another() -> Result:
        backward = subject.opened(case)
        subject.opened(disturbed(case, np.random.default_rng(0), FAR))
        return backward(case)

    def nothing() -> Result:
        zeros = {name: np.zeros_like(dy) for name, dy in case.upstream.items()}
        return subject.opened(case)(case.with_upstream(zeros))

    found: Trials = {
        "a second backward of the same forward gives another gradient": (
            "in the second backward of a forward",
            twice,
        ),
        "a backward after another call's forward gives another gradient": (
            "after another call's forward",
            after_another,
        ),
        ZERO: ("where dy is 0", nothing),
    }
    for name in case.inputs:
        found |= _freezing(subject, case, name)
    return found


def frozen_in(failure: Failure) -> str:
    """The input that is frozen where this breaks; empty for another failure."""
    found = re.match(r"with (.+) frozen \(requires_grad=False\)", failure.message)
    return found[1] if found and failure.oracle == "protocol" else ""


def _freezing(subject: Subject, case: Case, name: str) -> Trials:
    """The use with this input frozen, where another is left and the gradient may depend on it."""
    if not subject.freezes or len(case.inputs) < 2:
        return {}
    when = f"with {name} frozen (requires_grad=False)"
    return {
        f"{when} it is another gradient": (when, lambda: subject.opened(case, frozen=name)(case))
    }


def _zero(plain: Result) -> Result:
    return {name: np.zeros_like(a) for name, a in plain.items()}


def _same(component: Component, case: Case, name: str, a: np.ndarray, wanted: np.ndarray) -> bool:
    """Up to rounding: with an input frozen, PyTorch may take another kernel."""
    if change(wanted, a) <= REPEATS * component.eps(case):
        return True
    if a.shape != wanted.shape:
        return False
    scale = component.scales(case)[name]
    return worst(error_units(a, wanted, scale, case.dy.dtype)) <= ACCEPT


def _apart(a: np.ndarray, wanted: np.ndarray) -> str:
    by = change(wanted, a)
    return f"it differs by {by:.2g} of its size" if np.isfinite(by) else "it is no longer the same"
