"""How a backward is used: twice on one forward, after another forward, with an input frozen.

A comparison of one forward and its backward sees none of this; training does all of it. What is
asked here of a few cases needs no reference: the gradient must be the one of the plain call.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from npformer.cards.case import Case, Result, is_output
from npformer.verify.component import Component
from npformer.verify.judge import REPEATS, Failure, change
from npformer.verify.subjects.subjects import Subject
from npformer.verify.units.error import error_units, worst
from npformer.verify.units.measured import ACCEPT, disturbed

CASES = 3
"""Of each dtype; what breaks a protocol breaks it on any case."""
FAR = 0.25
"""How far off, of their size, the inputs of another forward are."""


def protocol(component: Component, case: Case) -> list[Failure]:
    """What breaks on this case, which a plain call gets right. A trial that raises is lost."""
    subject = getattr(component, "subject", None)
    if not isinstance(subject, Subject) or not subject.has_gradient:
        return []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            plain = {n: a for n, a in component.run(case).items() if not is_output(n)}
            scales = component.scales(case)
        except Exception:
            return []
        if not all(np.isfinite(a).all() for a in plain.values()):
            return []
        found: list[Failure] = []
        for said, (_, again) in trials(subject, case).items():
            try:
                result = again()
            except Exception:
                continue
            wanted = _zero(plain) if said is ZERO else plain
            found += [
                Failure(name, "protocol", f"{said}: {_apart(a, wanted[name])}", np.inf, case)
                for name, a in result.items()
                if name in wanted
                and not _same(a, wanted[name], scales[name], case.dy.dtype, component.eps(case))
            ]
        return found


ZERO = "an upstream gradient of zeros gives a gradient that is not zero"


def trials(subject: Subject, case: Case) -> dict[str, tuple[str, Callable[[], Result]]]:
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

    found: dict[str, tuple[str, Callable[[], Result]]] = {
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
    for name in case.inputs if len(case.inputs) > 1 else ():
        when = f"with {name} frozen (requires_grad=False)"
        found[f"{when} it is another gradient"] = (
            when,
            lambda name=name: subject.opened(case, frozen=name)(case),  # type: ignore[misc]
        )
    return found


def _zero(plain: Result) -> Result:
    return {name: np.zeros_like(a) for name, a in plain.items()}


def _same(
    a: np.ndarray, wanted: np.ndarray, scale: np.ndarray, dtype: np.dtype, eps: float
) -> bool:
    """Up to rounding: with an input frozen, PyTorch may take another kernel."""
    if change(wanted, a) <= REPEATS * eps:
        return True
    return a.shape == wanted.shape and worst(error_units(a, wanted, scale, dtype)) <= ACCEPT


def _apart(a: np.ndarray, wanted: np.ndarray) -> str:
    by = change(wanted, a)
    return f"it differs by {by:.2g} of its size" if np.isfinite(by) else "it is no longer the same"
