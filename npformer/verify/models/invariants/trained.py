"""Every trainable parameter gets a gradient, at a length on each side of every threshold.

One that no output changes with needs none: an expert that no token chose, the keys' map when
there is one key. But a parameter has to matter at some length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

NAME = "trained"
SENTENCE = "every trainable parameter gets a gradient, at every length"
BATCH = 4


def look(q: Question) -> tuple[int, Any]:
    """Lengths asked, and what is broken; raises NotAsked for a model without parameters."""
    training = q.differentiable[-1]
    never: set[str] | None = None
    for asked, length in enumerate(q.lengths, 1):
        inputs = q.draw(BATCH, length)
        missing = _missing(q, inputs, training)
        unjust = [path for path in missing if _matters(q, inputs, path, training)]
        if unjust:
            small = q.smallest(1, length - 1, lambda n: _unjust(q, n, training))
            return asked, small or _told(unjust, BATCH, length, training)
        never = missing if never is None else never & missing
    if never:
        return len(q.lengths), _told(
            sorted(never),
            BATCH,
            q.lengths[-1],
            training,
            "at no length, nor does an output change with",
        )
    return len(q.lengths), None


def _missing(q: Question, inputs: Inputs, training: bool) -> set[str]:
    q.subject.zero()
    run = q.run(inputs, training)
    run.backward(q.rng(3).standard_normal(run.y.shape))
    gradients = q.subject.gradients()
    if not gradients:
        raise NotAsked("the model has no trainable parameter, or does not name them")
    return {path for path, g in gradients.items() if g is None or not np.any(g)}


def _matters(q: Question, inputs: Inputs, path: str, training: bool) -> bool:
    """Whether the output changes with it, by a step too small to flip a choice."""
    before = q.run(inputs, training).y
    with q.subject.moved(path, 5):
        after = q.run(inputs, training).y
    return _apart(q, before, after)


def _apart(q: Question, before: Array, after: Array) -> bool:
    return q.units(before, after, size(before)) > q.bound


def _unjust(q: Question, length: int, training: bool) -> Broken | None:
    inputs = q.draw(1, length)
    missing = _missing(q, inputs, training)
    unjust = [path for path in missing if _matters(q, inputs, path, training)]
    return _told(unjust, 1, length, training) if unjust else None


def _told(
    paths: list[str],
    batch: int,
    length: int,
    training: bool,
    how: str = "although the outputs change with",
) -> Broken:
    paths = sorted(paths)
    count = f"{len(paths)} parameters get" if len(paths) > 1 else f"{paths[0]} gets"
    what = f"{count} no gradient, {how} {'them' if len(paths) > 1 else 'it'}"
    module = paths[0].rpartition(".")[0]  # the first in the order of names
    mode = "training" if training else "evaluation"
    return Broken(what, batch, length, mode, module=module, parameters=tuple(paths))
