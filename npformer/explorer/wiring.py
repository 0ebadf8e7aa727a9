"""How calls are joined: what a call reads is what another one returned, or a sum of two of those.

Nothing is known of any module. That one call reads what another returned is seen by the array,
which is the same memory in both; that two were added on the way, as around every sub-layer, by the
numbers. From this the page draws the model: a sum with a path around a branch is a residual.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npformer.inspect.recording import RecordedCall, Recording
from npformer.ops.array import Array

OUTPUT = "y"
"""The end to which a call's result goes, beside its children's numbers and its inputs' names."""

_MOST = 1_000_000  # entries of an array that is looked for in others
_PIECE = 0.1  # of an array's entries: what less has in common, has so by chance

Node = int | str
"""A child's number on the page; the name of an input of the call around it; ``OUTPUT``; a sum, as
``+0``, or a product, ``*0``; ``...0`` for children that are not on the page."""


class Link(NamedTuple):
    """From what makes an array to what reads it, and as which argument."""

    source: Node
    target: Node
    argument: str
    known: bool = True
    """Whether it was seen; else what was computed on the way is no call, and order says the rest.
    """


def wiring(recording: Recording, shown: Sequence[RecordedCall]) -> dict[str, list[list[Any]]]:
    """Number of a call that is made of others, and "" for what is outside of all -> its links."""
    numbers = {call.forward_order: number for number, call in enumerate(shown)}
    found: dict[str, list[list[Any]]] = {}
    _Scope(None, "").join(
        [c for c in recording.calls if c.caller is None], recording, numbers, found
    )
    return found


class _Scope:
    """The inside of a call: what is in reach there, and the links between."""

    def __init__(self, around: _Scope | None, number: Node) -> None:
        self.around, self.number = around, number
        self.links: list[Link] = []
        self.made: dict[tuple[int, int], Node] = {}
        self.arrays: list[tuple[Array, Node]] = []
        self.combined = 0

    def join(
        self,
        calls: Sequence[RecordedCall],
        recording: Recording,
        numbers: dict[int, int],
        found: dict[str, list[list[Any]]],
    ) -> None:
        """Visit the calls in order; ``numbers`` are those of the calls on the page."""
        left_out, last = 0, None
        for call in calls:
            if any(call.output is array for array in call.inputs.values()):
                continue  # hands on what it reads
            node: Node = numbers.get(call.forward_order, f"...{left_out}")
            left_out += isinstance(node, int)
            inside = _Scope(self, node)
            for name, array in call.inputs.items():
                self.link(array, node, name, last)
                inside.add(array, name)
            children = recording.calls_of(call) if isinstance(node, int) else []
            if children:
                inside.join(children, recording, numbers, found)
                inside.link(call.output, OUTPUT, OUTPUT, inside.arrays[-1][1])
                found[str(node)] = [[*link] for link in dict.fromkeys(inside.links)]
            self.add(call.output, node)
            last = node
        if self.around is None:
            found[""] = [[*link] for link in dict.fromkeys(self.links)]

    def add(self, array: Array, node: Node) -> None:
        self.made[_memory(array)] = node
        self.arrays.append((array, node))

    def link(self, array: Array, target: Node, argument: str, last: Node | None) -> None:
        """Join what made ``array`` to its reader; ``last`` is the call before, of a guess."""
        source = self.source(array, argument)
        sources = [] if source is None else [source]
        real = array.dtype.kind == "f"
        if not sources and real and 0 < array.size <= _MOST:
            sources = self.whole(array) or self.combination(array) or self.pieces(array)
        if sources:
            self.links += [Link(node, target, argument) for node in sources if node != target]
        elif real and last is not None:
            self.links.append(Link(last, target, argument, known=False))

    def source(self, array: Array, argument: str) -> Node | None:
        """What made an array: here, or around, from where it then comes in as ``argument``."""
        key = _memory(array)
        if key not in self.made and self.around is not None:
            outside = self.around.source(array, argument)
            if outside is not None:
                self.around.links.append(Link(outside, self.number, argument))
                self.add(array, argument)
        return self.made.get(key)

    def whole(self, array: Array) -> list[Node]:
        """An array of which it is a cut, in the same memory; or one of which it is a multiple."""
        a = _flat(array)
        for other, node in reversed(self.arrays):
            if other.dtype.kind != "f" or not other.size:
                continue
            if array.size < other.size and np.may_share_memory(array, other):
                return [node]
            if other.size != array.size and other.ndim == array.ndim == 4:  # heads in groups
                other = np.repeat(other, array.shape[2] // max(other.shape[2], 1), axis=2)
            if other.size == array.size:
                u = _flat(other)
                if _close(a, u * _times(a, u), array.dtype):
                    return [node]
        return []

    def combination(self, array: Array) -> list[Node]:
        """Of two arrays in reach the sum, one of them times a number or not, or the product."""
        a = _flat(array)
        alike = [(_flat(u), n) for u, n in self.arrays if u.dtype.kind == "f" and u.size == a.size]
        pairs = list(itertools.combinations(alike, 2))
        ways: dict[str, Callable[[Array, Array], Array]] = {
            "+": lambda u, v: u + v,
            "*": lambda u, v: u * v,
            "+ scaled": lambda u, v: u + v * _times(a - u, v),  # the last, as the least sure
        }
        for way, make in ways.items():
            for (u, first), (v, second) in pairs:
                if _close(a, make(u, v), array.dtype):
                    node = f"{way[0]}{self.combined}"
                    self.combined += 1
                    self.links += [Link(first, node, way), Link(second, node, way)]
                    self.add(array, node)
                    return [node]
        return []

    def pieces(self, array: Array) -> list[Node]:
        """Arrays whose entries, in any order and repeated or not, are all of its entries."""
        entries = array.reshape(-1)
        open_ = np.ones(entries.size, bool)
        found: list[Node] = []
        for other, node in reversed(self.arrays):
            if other.dtype != array.dtype or not other.size or not open_.any():
                continue
            here = open_ & np.isin(entries, other)
            if here.sum() >= _PIECE * entries.size:
                found.insert(0, node)
                open_ &= ~here
        return [] if open_.any() else found


def _memory(array: Array) -> tuple[int, int]:
    """The same for an array and a view of all of it in another shape."""
    return array.__array_interface__["data"][0], array.nbytes


def _flat(array: Array) -> Array:
    return array.astype(np.float64).reshape(-1)


def _times(a: Array, u: Array) -> float:
    """The number by which u comes nearest to a."""
    length = float(u @ u)
    return float(a @ u) / length if length else 0.0


def _close(a: Array, b: Array, dtype: Any) -> bool:
    """Up to a few roundings of the largest entry: a branch may be a small part of a sum."""
    most = np.abs(a).max()
    return bool(most > 0 and np.abs(a - b).max() <= 4 * np.finfo(dtype).eps * most)
