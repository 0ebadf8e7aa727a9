"""Every module's call while a model works.

Where batch and length are in a tensor is learnt from runs of other sizes: an axis that grows by one
with the length is the length's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.case import Array


@dataclass
class ModuleCall:
    """One call of one module."""

    path: str
    kind: str
    tag: Any
    number: int
    """Of the calls of this module under this tag."""
    inputs: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    dy: list[Array | None] = field(default_factory=list)
    """Of each output; None for one that nothing came back to."""
    dx: list[Array | None] = field(default_factory=list)
    """Of each input."""
    own: tuple[str, ...] = ()
    """Its own parameters, by path."""

    @property
    def key(self) -> tuple[str, Any, int]:
        return self.path, self.tag, self.number

    @property
    def arrays(self) -> list[Array]:
        return [*self.inputs, *self.outputs]


class Calls:
    """The calls of one run, in the order in which they ended."""

    def __init__(self) -> None:
        self.tag: Any = None
        """What is being done; a call is known by it, its module, and its number."""
        self.ended: list[ModuleCall] = []
        self.backwards: list[ModuleCall] = []
        """In the order in which their gradients were complete."""
        self._numbers: Counter[Any] = Counter()

    def begin(self, path: str, kind: str, own: tuple[str, ...] = ()) -> ModuleCall:
        """A call that is now running."""
        self._numbers[path, self.tag] += 1
        return ModuleCall(path, kind, self.tag, self._numbers[path, self.tag], own=own)

    def by_key(self) -> dict[Any, ModuleCall]:
        return {call.key: call for call in self.ended}


class Region(NamedTuple):
    """Rows of the batch and positions."""

    rows: Any = slice(None)
    positions: Any = slice(None)


class Where(NamedTuple):
    """The axes of one tensor; None for one that it has not. Of both in one, (B T), the same."""

    batch: int | None
    length: int | None

    def part(self, array: Array, region: Region, batch: int, length: int) -> Array | None:
        """The region's entries; None for a tensor that is of another shape than was learnt."""
        if self.batch is not None and self.batch == self.length:
            if array.shape[self.batch] != batch * length:
                return None
            before, after = array.shape[: self.batch], array.shape[self.batch + 1 :]
            array = array.reshape(*before, batch, length, *after)
            return Where(self.batch, self.batch + 1).part(array, region, batch, length)
        for axis, choice, size in (
            (self.batch, region.rows, batch),
            (self.length, region.positions, length),
        ):
            if axis is None:
                continue
            if array.shape[axis] != size:
                return None
            array = np.take(array, np.arange(size)[choice], axis)
        return array


Layout = dict[Any, list[Where | None]]
"""By call, where its arrays have batch and length; None for one that cannot be said."""


def layout(
    base: Calls, longer: Calls, wider: Calls, batch: int, length: int, growth: int = 1
) -> Layout:
    """Learnt from a run of ``batch`` and ``length``, a longer one by ``growth``, a row more."""
    found: Layout = {}
    longs, wides = longer.by_key(), wider.by_key()
    for key, call in base.by_key().items():
        if key not in longs or key not in wides:
            continue
        triples = zip(call.arrays, longs[key].arrays, wides[key].arrays, strict=False)
        found[key] = [
            _where(a.shape, b.shape, c.shape, (batch, length, growth)) for a, b, c in triples
        ]
    return found


def _where(
    shape: Sequence[int], long: Sequence[int], wide: Sequence[int], sizes: tuple[int, int, int]
) -> Where | None:
    batch, length, growth = sizes
    if not len(shape) == len(long) == len(wide):
        return None
    longer = [(i, b - a) for i, (a, b) in enumerate(zip(shape, long, strict=True)) if a != b]
    wider = [(i, b - a) for i, (a, b) in enumerate(zip(shape, wide, strict=True)) if a != b]
    if len(longer) > 1 or len(wider) > 1:
        return None
    if longer and wider and longer[0][0] == wider[0][0]:
        axis = longer[0][0]
        together = longer[0][1] == batch * growth and wider[0][1] == length
        return Where(axis, axis) if together else None
    if any(by != growth for _, by in longer) or any(by != 1 for _, by in wider):
        return None
    return Where(wider[0][0] if wider else None, longer[0][0] if longer else None)
