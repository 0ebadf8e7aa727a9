"""The gradient of f(x1) + f(x2) is the same, whichever way the two backwards are ordered.

Each backward right after its forward; both at the end; both at the end, the last call's first. What
a call needs later (activations, the random state of its dropout) belongs to that call alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls
from npformer.verify.models.first import first_gradient, first_replay
from npformer.verify.models.question import NotAsked, Question, size, told
from npformer.verify.models.result import Broken

NAME = "two-backwards"
SENTENCE = "two calls' gradients are the same, each backward after its forward or both at the end"
ORDERS = {
    "both backwards at the end": ("f1", "f2", "b1", "b2"),
    "both backwards at the end, the second call's first": ("f1", "f2", "b2", "b1"),
}
PLAIN = ("f1", "b1", "f2", "b2")
MODES = ("evaluation", "training")
"""By whether it is training."""
LONGEST = 5
"""How many lengths are asked: the smallest, and those at the end."""

Gradients = dict[str, Array]


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked for a model without a gradient."""
    asked = 0
    for length in chosen(q):
        for training in q.differentiable:
            for order, steps in ORDERS.items():
                asked += 1
                difference = partial(_difference, q, training=training, order=order, steps=steps)
                if found := difference(2, length):
                    return asked, smallest(q, length, difference) or found
    return asked, None


def chosen(q: Question) -> list[int]:
    """A few of the lengths: a gradient costs more than a forward."""
    return sorted({*q.lengths[:LONGEST], *q.lengths[-2:]})


def smallest(
    q: Question, length: int, difference: Callable[[int, int], Broken | None]
) -> Broken | None:
    """What ``difference`` of a batch and a length finds at the smallest length that shows it."""
    for small in range(1, length + 1):
        if q.runs(small) and (found := difference(1, small)):
            return found
    return None


def _difference(
    q: Question, batch: int, length: int, training: bool, order: str, steps: Sequence[str]
) -> Broken | None:
    first = walked(q, batch, length, training, PLAIN)
    if not first:
        raise NotAsked("the model has no gradient")
    mode = MODES[training]
    try:
        second = walked(q, batch, length, training, steps)
    except Exception as error:
        what = f"{order}: {told(error)}"
        return Broken(what, batch, length, mode, float("inf"), float("inf"), q.bound)
    wrong, gap, units = differing(q, first, second)
    if not wrong:
        return None
    path, kind = first_module(q, batch, length, training, steps, set(wrong))
    what = f"{order}: the gradient of {wrong[0]} differs by {gap:.3g}"
    own = tuple(name for name in wrong if not name.startswith(INPUT))
    return Broken(what, batch, length, mode, gap, units, q.bound, None, path, kind, own)


INPUT = "input "


def walked(
    q: Question,
    batch: int,
    length: int,
    training: bool,
    steps: Sequence[str],
    calls: Calls | None = None,
    subject: Any = None,
) -> Gradients:
    """The sum of two calls' gradients: forwards and backwards in the order of ``steps``."""
    subject = subject or q.subject
    subject.zero()
    runs: dict[str, Any] = {}
    found: Gradients = {}
    for step in steps:
        which, number = step[0], step[1]
        if calls is not None:
            calls.tag = step
        if which == "f":
            inputs = q.draw(batch, length, int(number))
            runs[number] = subject.forward(inputs, int(number), training)
            continue
        run = runs[number]
        dx = run.backward(q.rng(int(number)).standard_normal(run.y.shape))
        found |= {f"{INPUT}{name} of call {number}": g for name, g in dx.items()}
    own = {path: g for path, g in subject.gradients().items() if g is not None}
    return {**own, **found}


def differing(q: Question, first: Gradients, second: Gradients) -> tuple[list[str], float, float]:
    """Names whose gradients differ, the worst first; by how much, and in units of rounding."""
    scale = size(*first.values())
    found = []
    for name in first.keys() | second.keys():
        zero = np.zeros_like(first.get(name, second.get(name)))
        a, b = first.get(name, zero), second.get(name, zero)
        units = q.units(a, b, scale) if a.shape == b.shape else float("inf")
        if units > q.bound:
            gap = float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")
            found.append((units, gap, name))
    found.sort(key=lambda each: (-each[0], each[2]))
    if not found:
        return [], 0.0, 0.0
    return [name for _, _, name in found], found[0][1], found[0][0]


def first_module(
    q: Question,
    batch: int,
    length: int,
    training: bool,
    steps: Sequence[str],
    wrong: set[str],
    reference: Any = None,
) -> tuple[str | None, str]:
    """What is run again and gives something else; or else, where the gradients part.

    From those of ``reference``, the subject itself unless given, with each backward at once.
    """
    plain, other = Calls(), Calls()
    reference = reference or q.subject
    try:
        for subject, calls, order in ((reference, plain, PLAIN), (q.subject, other, steps)):
            with subject.watching(calls):
                walked(q, batch, length, training, order, calls, subject)
    except Exception:
        return None, ""
    for number in "12":
        if found := first_replay(other, f"f{number}", f"b{number}", q.agree):
            return found.path, found.kind
    found = first_gradient(plain, other, wrong, q.agree)
    return (None, "") if found is None else (found.path, found.kind)
