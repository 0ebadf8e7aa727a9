"""How calls are joined: what a call reads is what another one returned, or a sum of two of those.

Nothing is known of any module. That one call reads what another returned is seen by the array,
which is the same memory in both; that two were added on the way, as around every sub-layer, by the
numbers. From this the page draws the model: a sum with a path around a branch is a residual.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npformer.inspect.recording import RecordedCall, Recording
from npformer.ops.array import Array

OUTPUT = "y"
"""The end to which a call's result goes, beside its children's numbers and its inputs' names."""

_MOST = 1_000_000  # entries of an array that is looked for in others
_SOME = 64  # of its entries, which are looked at first
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
        self.combinations = 0

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
                self.combine(call.output)  # handed on; that it is read says that it was made
                continue
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
        elif real and array.ndim > 1 and last is not None:  # a vector is a weight, made over
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

    def combine(self, array: Array) -> None:
        """Have what an array was added or multiplied from as a node, if no call has made it."""
        real = array.dtype.kind == "f" and 0 < array.size <= _MOST
        if real and _memory(array) not in self.made and not self.whole(array):
            self.combination(array)

    def whole(self, array: Array) -> list[Node]:
        """An array of which it is a cut, in the same memory; or one of which it is a multiple, or
        one whose sum over an axis is."""
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
            for axis in range(other.ndim):
                if other.shape[:axis] + other.shape[axis + 1 :] == array.shape:
                    u = _flat(other.astype(np.float64).sum(axis))
                    if _close(a, u * _times(a, u), array.dtype):
                        return [node]
        return []

    def combination(self, array: Array) -> list[Node]:
        """Of arrays in reach u + v, one of them times a number or not; u * v; or u + v * w.

        A factor may be one number for a row.
        """
        a = _flat(array)
        some = np.linspace(0, a.size - 1, min(a.size, _SOME)).astype(int)

        def near(make: Callable[..., Array], *terms: Array) -> bool:
            """Asked of some entries first: there are many ways, and nearly all are wrong."""
            few = _close(a[some], make(*(term[some] for term in terms)), array.dtype, a)
            return few and _close(a, make(*terms), array.dtype)

        real = [(u, node) for u, node in self.arrays if u.dtype.kind == "f"]
        alike = [(_flat(u), node) for u, node in real if u.size == a.size]
        factors = [
            (np.broadcast_to(u, array.shape).astype(np.float64).reshape(-1), node)
            for u, node in real
            if u.shape == (*array.shape[:-1], 1) and u.size != a.size
        ]
        pairs = list(itertools.combinations(alike, 2))
        scaled = [*pairs, *itertools.product(factors, alike)]
        for (u, first), (v, second) in pairs:
            if near(operator.add, u, v):
                return [self.combined("+", first, second, array)]
        for (u, first), (v, second) in scaled:
            if near(operator.mul, u, v):
                return [self.combined("*", first, second, array)]
        for (u, first), ((v, second), (w, third)) in itertools.product(alike, scaled):
            if near(_plus_product, u, v, w):
                product = self.combined("*", second, third, (v * w).astype(array.dtype))
                return [self.combined("+", first, product, array)]
        for (u, first), (v, second) in pairs:  # the last, as the least sure
            if _close(a, u + v * _times(a - u, v), array.dtype):
                return [self.combined("+", first, second, array)]
        return []

    def combined(self, sign: str, first: Node, second: Node, array: Array) -> Node:
        """A node for the sum or product of two others, which is ``array``."""
        node = f"{sign}{self.combinations}"
        self.combinations += 1
        self.links += [Link(first, node, sign), Link(second, node, sign)]
        self.add(array, node)
        return node

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


def _plus_product(u: Array, v: Array, w: Array) -> Array:
    return u + v * w


def _close(a: Array, b: Array, dtype: Any, whole: Array | None = None) -> bool:
    """Up to a few roundings of the largest entry, of the ``whole`` if a is a part: a branch may be
    a small part of a sum."""
    most = np.abs(a if whole is None else whole).max()
    return bool(most > 0 and np.abs(a - b).max() <= 4 * np.finfo(dtype).eps * most)
