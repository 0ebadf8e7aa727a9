"""The right gradient plus a multiple of something: of an array of the case, of dy, of its mean.

Nothing need be known of the formula. What the wrong result has more than the right one is compared
with products of the case's own arrays and with their sums over an axis; a term that was left out
shows as the term that would have cancelled it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, is_output
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake
from npformer.verify.diagnosis.steady import plain, steady

MOST_ARRAYS = 4
"""Of a case with more arrays, the products are too many for one of them to mean anything."""


Value = Callable[[Evidence], Array | None]
"""A product of a case's arrays, in which a sum or mean over an axis may stand for one factor."""


def wrong_terms(evidence: Evidence, name: str) -> Iterator[Mistake]:
    """Every term of which this result has a steady multiple too much; once the term first.

    Over an axis of a fixed length, a sum is so many means.
    """
    if is_output(name) or (deviation := _deviation(evidence, name)) is None:
        return
    multiples: list[Mistake] = []
    for text, value in _terms(evidence):
        there = _shaped(value(evidence), deviation.shape)
        found = None if there is None else steady(deviation, there)
        if found is not None:
            said = _sentence(text, found.coefficient)
            term = Mistake(said, _plus(found.coefficient, value), True)
            if abs(found.coefficient) == 1:
                yield term
            else:
                multiples.append(term)
    yield from multiples


def wrong_multiple(evidence: Evidence, name: str) -> Iterator[Mistake]:
    """The right result times a number, to within noise that no rounding explains."""
    if _deviation(evidence, name) is None:
        return
    found = steady(evidence.wrong[name], evidence.right[name])
    # Near 1 it may be noise alone, or the mean of something that depends on the entry.
    if found is not None and abs(found.coefficient - 1) > 10 * found.left:
        factor, doubt = found.coefficient, max(found.left, 1e-9)
        shown = f"{factor:.4g}"
        if abs(factor - 1) < 0.01:  # of which the digits after the zeros, or nines, say more
            shown = f"{1 + float(f'{plain(factor - 1, doubt / abs(factor - 1)):.4g}'):.12g}"
        said = f"{{name}} is {shown} times what it should be, in every entry"
        yield Mistake(said, lambda e, n: _or_wrong(e, n, (factor - 1) * e.right[n]), True)


def _deviation(evidence: Evidence, name: str) -> Array | None:
    wrong, right = evidence.wrong.get(name), evidence.right.get(name)
    if wrong is None or right is None or wrong.shape != right.shape or wrong.dtype != right.dtype:
        return None
    with np.errstate(all="ignore"):
        return np.asarray(wrong - right)


def _plus(coefficient: float, value: Value) -> Callable[[Evidence, str], Array | None]:
    def predict(evidence: Evidence, name: str) -> Array | None:
        there = _shaped(value(evidence), evidence.right[name].shape)
        return None if there is None else _or_wrong(evidence, name, coefficient * there)

    return predict


def _or_wrong(evidence: Evidence, name: str, more: Array) -> Array:
    """The right result and ``more``; the wrong one, where only noise is between them."""
    wrong, right = evidence.wrong.get(name), evidence.right[name]
    with np.errstate(all="ignore"):
        predicted = np.asarray(right + more).astype(right.dtype)
        if (deviation := _deviation(evidence, name)) is not None and wrong is not None:
            found = steady(deviation, np.asarray(more))
            if found is not None and abs(found.coefficient - 1) <= 2 * found.left + 1e-9:
                return wrong
    return predicted


def _sentence(text: str, coefficient: float) -> str:
    sign, size = "plus" if coefficient > 0 else "minus", abs(coefficient)
    if text == "1":
        return f"{{name}} is what it should be {sign} {size:.4g}, in every entry"
    factor = "" if size == 1 else f"{size:.4g} * "
    return f"{{name}} is what it should be {sign} {factor}{text}"


def _terms(evidence: Evidence) -> Iterator[tuple[str, Value]]:
    """Likelier ones first: without dy, with dy as a factor, with a sum of dy."""
    outputs = [name for name in evidence.right if is_output(name)]
    arrays = [*outputs, *evidence.case.inputs]
    if len(arrays) > MOST_ARRAYS:
        return
    for text in ("1", *arrays):
        yield text, _product((text,))
    for dy, count in itertools.product(evidence.upstream, (0, 1, 2)):
        for factors in itertools.combinations_with_replacement(arrays, count):
            yield " * ".join((dy, *factors)), _product((dy, *factors))
    for dy, (axis, said) in itertools.product(evidence.upstream, _axes(evidence)):
        for outer, inner in itertools.product(("1", *arrays), repeat=2):
            within = dy if inner == "1" else f"{dy} * {inner}"
            for operation in ("mean", "sum"):
                reduced = f"{operation}({within}, {said})"
                text = reduced if outer == "1" else f"{outer} * {reduced}"
                yield text, _reduced(outer, (dy, inner), operation, axis)


def _axes(evidence: Evidence) -> Iterator[tuple[int | None, str]]:
    """The axes that a sum may be over; None is the one that the operation is told."""
    if isinstance(evidence.case.static.get("axis"), int):
        yield None, "along its axis"
        return
    for axis in range(max(dy.ndim for dy in evidence.upstream.values())):
        yield axis, f"axis {axis}"


def _product(texts: Sequence[str]) -> Value:
    def value(evidence: Evidence) -> Array | None:
        found = np.ones(())
        for text in texts:
            array = _array(evidence, text)
            if array is None or not _fit(found, array):
                return None
            found = found * np.asarray(array, np.float64)
        return found

    return value


def _reduced(outer: str, inner: Sequence[str], operation: str, axis: int | None) -> Value:
    def value(evidence: Evidence) -> Array | None:
        along = evidence.case.static.get("axis") if axis is None else axis
        within, factor = _product(inner)(evidence), _array(evidence, outer)
        if within is None or factor is None or not isinstance(along, int):
            return None
        if not -within.ndim <= along < within.ndim:
            return None
        reduce = np.mean if operation == "mean" else np.sum
        found = np.broadcast_to(reduce(within, axis=along, keepdims=True), within.shape)
        return found * np.asarray(factor, np.float64) if _fit(found, factor) else None

    return value


def _array(evidence: Evidence, text: str) -> Array | None:
    return np.ones(()) if text == "1" else evidence.array(text)


def _fit(a: Array, b: Array) -> bool:
    """Whether the shapes can be broadcast."""
    pairs = zip(reversed(a.shape), reversed(b.shape), strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs)


def _shaped(array: Array | None, shape: tuple[int, ...]) -> Array | None:
    """Repeated over the axes that it lacks, or summed over those that it has too many."""
    if array is None:
        return None
    extra = array.ndim - len(shape)
    if extra > 0:
        array = array.sum(axis=tuple(range(extra)))
    if array.ndim > len(shape) or not _fit(array, np.empty(shape)):
        return None
    return (
        np.broadcast_to(array, shape) if np.broadcast_shapes(array.shape, shape) == shape else None
    )
