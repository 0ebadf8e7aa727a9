"""A cached step equals the full pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls, Region, layout
from npformer.verify.models.compare import longer, wider_by_one
from npformer.verify.models.first import Sized, first_difference
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

NAME = "cached-step"
SENTENCE = "a step with a cache gives what the full pass gives at that position"
LONGEST = 9
"""Steps are taken one by one, and a cache that is off is off early."""


def look(q: Question) -> tuple[int, Any]:
    """Comparisons, and what is broken; raises NotAsked without a cache, or where it fails."""
    if q.step is None:
        raise NotAsked(
            "no cached step is known: give step=, a function (module, newest, state, *others) -> "
            "y, state, whose first state is None"
        )
    q.same_in_any_shape()
    asked = 0
    for length in [n for n in q.lengths if n <= LONGEST] or q.lengths[:1]:
        inputs = q.draw(2, length)
        for t, y in enumerate(_steps(q, inputs)):
            asked += 1
            full = q.run(q.streams.part(inputs, slice(0, t + 1))).y
            y = y[:, -1] if y.ndim == full.ndim else y
            units = q.units(full[:, t], y, size(full))
            if units > q.bound:
                return asked, _told(q, inputs, t, full, y, units)
    return asked, None


def _steps(q: Question, inputs: Inputs, calls: Calls | None = None) -> list[Array]:
    """The outputs (B, ...), one position after the other."""
    assert q.step is not None
    length, found, walk = inputs[q.target].shape[1], [], q.step(inputs, 1)
    for t in range(length):
        if calls is not None:
            calls.tag = None if t == length - 1 else t
        try:
            y = next(walk)
        except Exception as error:
            raise NotAsked(
                f"the step at position {t} raises {type(error).__name__}: {error}"
            ) from error
        found.append(y)
    return found


def _told(q: Question, inputs: Inputs, t: int, full: Array, y: Array, units: float) -> Broken:
    gap = float(np.nan_to_num(np.abs(full[:, t] - y), nan=np.inf).max())
    part = q.streams.part(inputs, slice(0, t + 1))
    path, kind = _first_module(q, part, t)
    what = f"the step at position {t} differs from the full pass by {gap:.3g}"
    return Broken(what, len(y), t + 1, "evaluation", gap, units, q.bound, (t, t), path, kind)


def _first_module(q: Question, inputs: Inputs, t: int) -> tuple[str | None, str]:
    watched = [Calls() for _ in range(4)]
    batch = len(inputs[q.target])
    try:
        sizes = (inputs, longer(q, inputs, q.target, 1), wider_by_one(inputs))
        for calls, given in zip(watched, sizes, strict=False):
            with q.subject.watching(calls):
                q.run(given)
        with q.subject.watching(watched[3]):
            _steps(q, inputs, watched[3])
    except Exception:
        return None, ""
    base, more, wider, stepped = watched
    found = first_difference(
        Sized(base, batch, t + 1, Region(positions=slice(t, t + 1))),
        Sized(stepped, batch, 1, Region()),
        layout(base, more, wider, batch, t + 1),
        q.agree,
    )
    return (None, "") if found is None else (found.path, found.kind)
