"""Sizes as what sets a case apart: an axis of length 1, an odd one, one above a block's size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.letters import LONGER
from npformer.cards.values import in_layout, layout_of
from npformer.verify.component import Component
from npformer.verify.diagnosis.evidence import silence
from npformer.verify.diagnosis.features import Feature
from npformer.verify.diagnosis.sizes import letters_of, sizes

BLOCKS = (3, 4, 8, 16, 32, 64, 128)
ROWS = "R"
MOST = 2000
"""Numbers in an array that is made larger to see what happens."""


def lengths(
    component: Component, failing: Sequence[Case], passing: Sequence[Case]
) -> Iterator[Feature]:
    """What can be said of each size, by letter, that differs between the cases."""
    known = {id(case): _sizes(component, case) for case in (*failing, *passing)}

    def length(case: Case, label: str) -> int | None:
        found = known.get(id(case)) or _sizes(component, case)
        return found.get(label)

    labels = [n for n in known[id(failing[0])] if all(n in known[id(c)] for c in failing)]
    if any(label.isalpha() and label != ROWS for label in labels):  # dy's axes are among them
        labels = [label for label in labels if not label.startswith("dy.")]
    for label in labels:
        bad = [n for case in failing if (n := length(case, label)) is not None]
        good = [n for case in passing if (n := length(case, label)) is not None]
        if len({*bad, *good}) < 2:
            continue
        for said, test in _tests(bad, good):
            yield _feature(component, label, f"{_name(label)} is {said}", test, length)


def _sizes(component: Component, case: Case) -> dict[str, int]:
    """By letter; a single row is a row too."""
    return {**sizes(component, case), ROWS: math.prod(case.dy.shape[:-1])}


def _name(label: str) -> str:
    return "the number of rows" if label == ROWS else label


def _tests(bad: list[int], good: list[int]) -> Iterator[tuple[str, Callable[[int], bool]]]:
    yield "1", lambda n: n == 1
    yield "odd", lambda n: n % 2 == 1
    yield "even", lambda n: n % 2 == 0
    for block in BLOCKS:
        yield f"a multiple of {block}", _multiple_of(block)
        yield f"not a multiple of {block}", _no_multiple_of(block)
    least, most = min(bad), max(bad)
    if least > 1 and any(n < least for n in good):
        yield f"{least} or more", lambda n: n >= least
    if most > 1 and any(n > most for n in good):
        yield f"{most} or less", lambda n: n <= most


def _multiple_of(block: int) -> Callable[[int], bool]:
    return lambda n: n % block == 0


def _no_multiple_of(block: int) -> Callable[[int], bool]:
    return lambda n: n % block != 0


def _feature(
    component: Component,
    label: str,
    said: str,
    test: Callable[[int], bool],
    length: Callable[[Case, str], int | None],
) -> Feature:
    def holds(case: Case) -> bool:
        n = length(case, label)
        return n is not None and test(n)

    def change(wanted: bool) -> Callable[[Case], Case | None]:
        def apply(case: Case) -> Case | None:
            return _changed(component, case, label, lambda n: test(n) is wanted)

        return apply

    weak = said.endswith(" is 2 or more")
    return Feature(said, holds, change(False), change(True), weak)


def _changed(
    component: Component, case: Case, label: str, wanted: Callable[[int], bool]
) -> Case | None:
    """The case with the nearest length that is wanted."""
    now = _sizes(component, case)
    if label not in now:
        return None
    if label == ROWS:
        return _with_rows(component, case, wanted)
    for length in _near(now[label]):
        if wanted(length):
            return resized(component, case, label, length)
    return None


def _with_rows(component: Component, case: Case, wanted: Callable[[int], bool]) -> Case | None:
    letters = letters_of(component, "dy", case, case.dy.ndim) or _of_output(component, case)
    for axis, length in enumerate(case.dy.shape[:-1]):
        others = math.prod(case.dy.shape[:-1]) // max(length, 1)
        for other in _near(length):
            if letters and axis < len(letters) and wanted(others * other):
                changed = resized(component, case, letters[axis], other)
                if changed is not None and wanted(math.prod(changed.dy.shape[:-1])):
                    return changed
    return None


def _of_output(component: Component, case: Case) -> str:
    """Where nobody says: the letters of the input that has the output's leading axes."""
    for name, array in case.inputs.items():
        letters = letters_of(component, name, case, array.ndim)
        if letters and array.shape[: case.dy.ndim - 1] == case.dy.shape[:-1]:
            return letters
    return ""


def _near(length: int) -> list[int]:
    found = {1, 2, *(length + by for by in range(-4, 5)), *(b * (length // b + 1) for b in BLOCKS)}
    found |= {b * (length // b) for b in BLOCKS}
    return sorted((n for n in found if n > 0 and n != length), key=lambda n: (abs(n - length), n))


def resized(component: Component, case: Case, letter: str, length: int) -> Case | None:
    """The case with another size for a letter, and a new dy; None if that makes no case."""
    rng = np.random.default_rng(length)
    inputs: dict[str, Array] = {}
    found = False
    for name, array in case.inputs.items():
        letters = letters_of(component, name, case, array.ndim) or ""
        axes = [k for k, a in enumerate(letters[: array.ndim]) if LONGER.get(a, a) == letter]
        found |= bool(axes)
        inputs[name] = _resized(array, axes, length, rng) if axes else array
        if inputs[name].size > MOST:
            return None
    if not found or not _allowed(component, case, letter, length):
        return None
    other = dataclasses.replace(case, inputs=inputs)
    try:
        with silence():
            shape = component.forward(other).shape
    except Exception:  # another argument is of the old size
        return None
    dy = rng.standard_normal(shape).astype(case.dy.dtype)
    return dataclasses.replace(other, dy=in_layout(dy, layout_of(case.dy)))


def _allowed(component: Component, case: Case, letter: str, length: int) -> bool:
    """Whether the size obeys the relations that the caller's spec states."""
    relations = getattr(getattr(component, "inputs", None), "relations", ())
    new = {**sizes(component, case), letter: length}
    return all(relation.holds(new) for relation in relations)


def _resized(array: Array, axes: list[int], length: int, rng: np.random.Generator) -> Array:
    shape = [length if k in axes else n for k, n in enumerate(array.shape)]
    other = rng.standard_normal(shape).astype(array.dtype)
    common = tuple(slice(0, min(m, n)) for m, n in zip(shape, array.shape, strict=True))
    other[common] = array[common]
    return in_layout(other, layout_of(array))
