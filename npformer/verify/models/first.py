"""The first of a run's calls that explains a difference.

Two runs must agree in a region: some rows of the batch, some positions. A call whose inputs agree
there and whose outputs do not is where the difference arises. Children end before their parents,
so the first such call to end is the innermost. Gradients run the other way, and their calls are in
the order in which what they return was first complete: a child's is before its parent's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls, Layout, ModuleCall, Region, Where

Agree = Callable[[Array, Array], bool]


class Sized(NamedTuple):
    """The calls of a run, its sizes, and the region of it that is compared."""

    calls: Calls
    batch: int
    length: int
    region: Region


def first_difference(base: Sized, other: Sized, layout: Layout, agree: Agree) -> ModuleCall | None:
    """The first call that ended with other outputs in the region, though its inputs agree there."""
    twins = base.calls.by_key()
    spread: ModuleCall | None = None
    for call in other.calls.ended:
        twin, where = twins.get(call.key), layout.get(call.key)
        if twin is None or where is None:
            continue
        n = len(call.inputs)
        clean = [_same(*three, base, other, agree) for three in _zipped(twin, call, where, 0, n)]
        if not all(clean):
            continue
        results = list(_zipped(twin, call, where, n, None))
        if any(_same(*three, base, other, agree) is False for three in results):
            if any(three[2] is not None and three[2].length is not None for three in results):
                return call
            spread = spread or call  # no position is left in what it returns
    return spread


def _zipped(
    twin: ModuleCall, call: ModuleCall, where: list[Where | None], low: int, high: int | None
) -> Iterator[tuple[Array, Array, Where | None]]:
    yield from zip(twin.arrays[low:high], call.arrays[low:high], where[low:high], strict=False)


def _same(
    a: Array, b: Array, where: Where | None, base: Sized, other: Sized, agree: Agree
) -> bool | None:
    """Whether they agree in the region; None if that cannot be said."""
    if where is None:
        return None
    left = where.part(a, base.region, base.batch, base.length)
    right = where.part(b, other.region, other.batch, other.length)
    if left is None or right is None or left.shape != right.shape:
        return None
    return agree(left, right)


def first_replay(calls: Calls, forward: Any, again: Any, agree: Agree) -> ModuleCall | None:
    """The first call that, run again on the same inputs, gives something else."""
    firsts = {(c.path, c.number): c for c in calls.ended if c.tag == forward}
    for call in calls.ended:
        first = firsts.get((call.path, call.number)) if call.tag == again else None
        if first is None or not _equal(first.inputs, call.inputs, agree):
            continue
        if not _equal(first.outputs, call.outputs, agree):
            return call
    return None


def first_gradient(base: Calls, other: Calls, wrong: set[str], agree: Agree) -> ModuleCall | None:
    """The first call to get the same dy and to return another dx, or another gradient of its own.

    ``wrong`` are the parameters whose sums differ.
    """
    twins = {call.key: call for call in base.backwards}
    for call in other.backwards:
        twin = twins.get(call.key)
        if twin is None or not any(dy is not None for dy in (*twin.dy, *call.dy)):
            continue
        if not _equal(twin.dy, call.dy, agree):
            continue
        if not _equal(twin.dx, call.dx, agree) or wrong & set(call.own):
            return call
    return None


def first_leak(run: Sized, layout: Layout, is_zero: Agree) -> ModuleCall | None:
    """The first call through whose backward a gradient enters the region: dy is 0 there, dx is not.

    ``is_zero(part, whole)``. What the vectors of ids get is the outermost call's, if no other's
    backward explains it and all could be looked at.
    """
    everywhere = True
    for call in run.calls.backwards:
        where = layout.get(call.key)
        if where is None:
            everywhere = False
            continue
        n = len(call.inputs)
        clean = [_zero(dy, w, run, is_zero) for dy, w in zip(call.dy, where[n:], strict=False)]
        everywhere = everywhere and None not in clean
        if not all(clean):
            continue
        if any(_zero(dx, w, run, is_zero) is False for dx, w in zip(call.dx, where, strict=False)):
            return call
    whole = next((call for call in run.calls.ended if not call.path), None)
    return whole if everywhere else None


def _zero(array: Array | None, where: Where | None, run: Sized, is_zero: Agree) -> bool | None:
    """Whether nothing is in the region; None if that cannot be said."""
    if array is None:
        return True
    if where is None or where.length is None:
        return True if not array.any() else None
    part = where.part(array, run.region, run.batch, run.length)
    return None if part is None else is_zero(part, array)


def _equal(first: Sequence[Array | None], second: Sequence[Array | None], agree: Agree) -> bool:
    return len(first) == len(second) and all(
        a is b if a is None or b is None else a.shape == b.shape and agree(a, b)
        for a, b in zip(first, second, strict=True)
    )
