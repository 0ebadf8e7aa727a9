"""A memory-saving form has the plain form's outputs and gradients, under dropout too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npformer.verify.models.calls import Calls
from npformer.verify.models.first import first_gradient, first_replay
from npformer.verify.models.invariants.two_backwards import (
    INPUT,
    ORDERS,
    PLAIN,
    chosen,
    differing,
    walked,
)
from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

NAME = "memory-saving"
SENTENCE = "the memory-saving form has the plain form's outputs and gradients, under dropout too"
STEPS = {"": PLAIN, **{f", {order}": steps for order, steps in ORDERS.items()}}


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked without a plain form to compare with."""
    if q.plain is None:
        raise NotAsked(
            "no plain form is known: give plain=, a module of the same parameters, or a function "
            "that switches the saving off"
        )
    asked, drawn_alike = 0, True
    for length in chosen(q):
        for training in q.differentiable:
            if found := _outputs(q, length, training):
                if not training:
                    return asked + 1, found
                drawn_alike = False  # the two draw their masks in another order
                continue
            for order, steps in STEPS.items():
                asked += 1
                if found := _difference(q, 2, length, training, order, steps):
                    return asked, _smallest(q, length, training, order, steps) or found
    if not asked or not drawn_alike:
        raise NotAsked("the two forms draw other random numbers from the same state in training")
    return asked, None


def _outputs(q: Question, length: int, training: bool) -> Broken | None:
    inputs = q.draw(2, length)
    plain, saving = (s.forward(inputs, 1, training).y for s in (q.plain, q.subject))
    units = q.units(plain, saving, size(plain))
    if units <= q.bound:
        return None
    gap = float(np.abs(plain - saving).max())
    what = f"its outputs differ from the plain form's by {gap:.3g}"
    return Broken(what, 2, length, _mode(training), gap, units, q.bound)


def _smallest(
    q: Question, length: int, training: bool, order: str, steps: Sequence[str]
) -> Broken | None:
    for small in range(1, length + 1):
        if not q.runs(small):
            continue
        if found := _difference(q, 1, small, training, order, steps):
            return found
    return None


def _difference(
    q: Question, batch: int, length: int, training: bool, order: str, steps: Sequence[str]
) -> Broken | None:
    plain = walked(q, batch, length, training, PLAIN, subject=q.plain)
    saving = walked(q, batch, length, training, steps)
    wrong, gap, units = differing(q, plain, saving)
    if not wrong:
        return None
    path, kind = _first_module(q, batch, length, training, steps, set(wrong))
    what = f"the gradient of {wrong[0]} differs from the plain form's by {gap:.3g}{order}"
    own = tuple(name for name in wrong if not name.startswith(INPUT))
    return Broken(what, batch, length, _mode(training), gap, units, q.bound, None, path, kind, own)


def _mode(training: bool) -> str:
    return "training" if training else "evaluation"


def _first_module(
    q: Question, batch: int, length: int, training: bool, steps: Sequence[str], wrong: set[str]
) -> tuple[str | None, str]:
    plain, saving = Calls(), Calls()
    try:
        with q.plain.watching(plain):
            walked(q, batch, length, training, PLAIN, plain, q.plain)
        with q.subject.watching(saving):
            walked(q, batch, length, training, steps, saving)
    except Exception:
        return None, ""
    for number in "12":
        if found := first_replay(saving, f"f{number}", f"b{number}", q.agree):
            return found.path, found.kind
    found = first_gradient(plain, saving, wrong, q.agree)
    return (None, "") if found is None else (found.path, found.kind)
