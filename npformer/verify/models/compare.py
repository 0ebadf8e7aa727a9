"""Two runs that must agree somewhere: asked at many sizes, then the smallest two that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls, Region, layout
from npformer.verify.models.first import Sized, first_difference
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.question import NotAsked, Question, size
from npformer.verify.models.result import Broken

DRAWS = 3
"""Inputs drawn for each length."""
SMALLER = 12
"""Inputs drawn for each size below one that failed."""


WHOLE = Region()


@dataclass
class Pair:
    """Two inputs, and where their outputs must agree."""

    base: Inputs
    other: Inputs
    base_region: Region = WHOLE
    other_region: Region = WHOLE
    says: str = "the outputs differ"
    """With {where}, {row} and {by} for where the largest difference is."""
    changed: int | None = None
    """The one position that is changed."""
    base_more: dict[str, Any] = field(default_factory=dict)
    other_more: dict[str, Any] = field(default_factory=dict)
    training: bool = False
    along: str = ""
    """The stream whose length the regions' positions are of; the target unless said."""
    more_at: Callable[[int, int], dict[str, Any]] = lambda batch, length: {}
    """Further arguments for another size."""
    inside: Region | None = None
    """Where the modules' calls must agree, if ``along`` is not the stream of the outputs."""
    between: Inputs | None = None
    """What is run after the one and before the other."""


Pairs = Callable[[Question, int, int, int], Iterator[Pair]]
"""(question, batch, length, draw) -> pairs, those that show most first."""


def ask(
    q: Question,
    pairs: Pairs,
    *,
    batch: int = 2,
    training: bool = True,
    may_refuse: bool = False,
) -> tuple[int, Any]:
    """How many comparisons were made, and what is broken, if anything.

    With ``may_refuse``, a pair that is longer than what the model takes is left out. Raises
    NotAsked if there was nothing to compare.
    """
    asked, refused = 0, ""
    for length in q.lengths:
        for draw in range(DRAWS):
            for pair in _moded(q, pairs, batch, length, draw, training):
                try:
                    seen = _difference(q, pair)
                except NotAsked:
                    raise
                except Exception as error:
                    if not may_refuse:
                        raise
                    refused = f"{type(error).__name__}: {error}"
                    continue
                asked += 1
                if seen[0] > q.bound:
                    small = q.smallest(1, length, lambda n: _first(q, pairs, batch, n, training))
                    return asked, small or _told(q, pair, *seen)
    if not asked:
        raise NotAsked(refused or f"no length of {q.lengths} has anything to compare")
    return asked, None


def _moded(
    q: Question, pairs: Pairs, batch: int, length: int, draw: int, training: bool
) -> Iterator[Pair]:
    for mode in q.modes if training else (False,):
        for pair in pairs(q, batch, length, draw):
            pair.training = mode
            yield pair


def _first(q: Question, pairs: Pairs, most: int, length: int, training: bool) -> Broken | None:
    """The first failure at this length, from one row to so many."""
    for rows in range(1, most + 1):
        for draw in range(SMALLER):
            for pair in _moded(q, pairs, rows, length, draw, training):
                try:
                    seen = _difference(q, pair)
                except Exception:
                    break  # a size that the model refuses
                if seen[0] > q.bound:
                    return _told(q, pair, *seen)
    return None


def _regions(q: Question, pair: Pair) -> tuple[Array, Array, float]:
    base = q.run(pair.base, pair.training, **pair.base_more).y
    if pair.between is not None:
        q.run(pair.between, pair.training)
    other = q.run(pair.other, pair.training, **pair.other_more).y
    a, b = _part(base, pair.base_region), _part(other, pair.other_region)
    return a, b, size(base)


def _part(y: Array, region: Region) -> Array:
    return y[region.rows][:, region.positions]


def _difference(q: Question, pair: Pair) -> tuple[float, Array, Array]:
    a, b, scale = _regions(q, pair)
    if a.size and not np.isfinite(a).any():
        raise NotAsked("the outputs are not finite")
    return q.units(a, b, scale), a, b


def _told(q: Question, pair: Pair, units: float, a: Array, b: Array) -> Broken:
    gap = np.nan_to_num(np.abs(a - b), nan=np.inf).reshape(*a.shape[:2], -1).max(-1)
    row, column = np.unravel_index(int(gap.argmax()), gap.shape)
    first = pair.base[q.target]
    where = int(np.arange(first.shape[1])[pair.base_region.positions][column])
    path, kind = _first_module(q, pair)
    return Broken(
        pair.says.format(where=where, row=int(row), by=f"{gap.max():.3g}"),
        first.shape[0],
        first.shape[1],
        "training" if pair.training else "evaluation",
        float(gap.max()),
        float(units),
        q.bound,
        None if pair.changed is None else (pair.changed, where),
        path,
        kind,
    )


def _first_module(q: Question, pair: Pair) -> tuple[str | None, str]:
    """Path and kind of the first module whose inputs do not explain the difference."""
    along = pair.along or q.target
    batch, length = pair.base[along].shape[:2]
    rows, positions = pair.other[along].shape[:2]
    growth = grows_by(q, length)
    between = pair.between if pair.between is not None else pair.base
    try:
        base, _, other, more, wider = (
            watch(q, inputs, pair.training, more)
            for inputs, more in (
                (pair.base, pair.base_more),
                (between, pair.base_more),
                (pair.other, pair.other_more),
                (longer(q, pair.base, along, growth), pair.more_at(batch, length + growth)),
                (wider_by_one(pair.base), pair.more_at(batch + 1, length)),
            )
        )
    except Exception:  # a length that the model refuses, a hook that it does not bear
        return None, ""
    found = first_difference(
        Sized(base, batch, length, pair.inside or pair.base_region),
        Sized(other, rows, positions, pair.inside or pair.other_region),
        layout(base, more, wider, batch, length, growth),
        q.agree,
    )
    return (None, "") if found is None else (found.path, found.kind)


def grows_by(q: Question, length: int) -> int:
    """How much longer than ``length`` is the next that the model takes: by one, or by a block."""
    if q.runs(length + 1):
        return 1
    return min((n - length for n in q.lengths if n > length), default=1)


def longer(q: Question, inputs: Inputs, stream: str, by: int) -> Inputs:
    """The last position of a stream, and of those that run beside it, again and again."""
    names = q.streams.together if stream in q.streams.together else (stream,)
    more = {n: np.concatenate([inputs[n], *[inputs[n][:, -1:]] * by], 1) for n in names}
    return {**inputs, **more}


def wider_by_one(inputs: Inputs) -> Inputs:
    """The first row twice."""
    return {name: np.concatenate([a, a[:1]]) for name, a in inputs.items()}


def watch(
    q: Question, inputs: Inputs, training: bool, more: Mapping[str, Any] | None = None
) -> Calls:
    """The calls of one forward."""
    calls = Calls()
    with q.subject.watching(calls):
        q.run(inputs, training, **(more or {}))
    return calls
