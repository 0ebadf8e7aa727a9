"""A memory-saving form has the plain form's outputs and gradients, under dropout too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from npformer.verify.models.invariants.two_backwards import (
    INPUT,
    MODES,
    ORDERS,
    PLAIN,
    chosen,
    differing,
    first_module,
    smallest,
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
                difference = partial(_difference, q, training=training, order=order, steps=steps)
                if found := difference(2, length):
                    return asked, smallest(q, length, difference) or found
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
    return Broken(what, 2, length, MODES[training], gap, units, q.bound)


def _difference(
    q: Question, batch: int, length: int, training: bool, order: str, steps: Sequence[str]
) -> Broken | None:
    plain = walked(q, batch, length, training, PLAIN, subject=q.plain)
    saving = walked(q, batch, length, training, steps)
    wrong, gap, units = differing(q, plain, saving)
    if not wrong:
        return None
    path, kind = first_module(q, batch, length, training, steps, set(wrong), q.plain)
    what = f"the gradient of {wrong[0]} differs from the plain form's by {gap:.3g}{order}"
    own = tuple(name for name in wrong if not name.startswith(INPUT))
    return Broken(what, batch, length, MODES[training], gap, units, q.bound, None, path, kind, own)
