"""Axes exchanged, reversed, shifted, summed or averaged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from npformer.cards.case import Array
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.mistake import Mistake

MOST_AXES = 4


def wrong_axes(ndim: int) -> Iterator[Mistake]:
    """For a result of that many axes."""
    if ndim <= MOST_AXES:
        yield from _exchanged(ndim)
    for k in range(ndim):
        yield _mistake(ndim, f"{{name}} is reversed along axis {k}", partial(np.flip, axis=k))
        for by, side in ((1, "later"), (-1, "earlier")):
            said = f"{{name}} stands one place {side} along axis {k}"
            yield _mistake(ndim, said, partial(np.roll, shift=by, axis=k))
    for count in range(1, ndim + 1):
        for axes in itertools.combinations(range(ndim), count):
            yield from _reduced(ndim, axes)


def _mistake(ndim: int, said: str, change: Callable[[Array], Array]) -> Mistake:
    def predict(evidence: Evidence, name: str) -> Array | None:
        right = evidence.right[name]
        return change(right) if right.ndim == ndim else None

    return Mistake(said, predict)


def _exchanged(ndim: int) -> Iterator[Mistake]:
    for order in itertools.permutations(range(ndim)):
        if order == tuple(range(ndim)):
            continue
        axes = ", ".join(map(str, order))
        said = "{name} is transposed" if ndim == 2 else f"{{name}} has the axes in the order {axes}"
        back = tuple(int(i) for i in np.argsort(order))
        yield _mistake(ndim, said, partial(np.transpose, axes=order))
        reshaped = f"{said}, and is then reshaped to its shape"
        yield _mistake(ndim, reshaped, partial(_transposed_flat, axes=order))
        reshaped = f"{{name}} is reshaped where its axes should be put in the order {axes}"
        yield _mistake(ndim, reshaped, partial(_transposed_flat, axes=back))


def _transposed_flat(a: Array, axes: tuple[int, ...]) -> Array:
    """The numbers in the order of the transposed array, in the shape of the original."""
    return a.transpose(axes).reshape(a.shape)


def _reduced(ndim: int, axes: tuple[int, ...]) -> Iterator[Mistake]:
    over = ("axis " if len(axes) == 1 else "axes ") + " and ".join(map(str, axes))
    for said, operation in (("summed", np.sum), ("averaged", np.mean)):

        def kept(a: Array, operation: Callable[..., Array] = operation) -> Array:
            return np.broadcast_to(operation(a, axis=axes, keepdims=True), a.shape)

        def gone(a: Array, operation: Callable[..., Array] = operation) -> Array:
            return np.asarray(operation(a, axis=axes))

        text = f"{{name}} is {said} over {over}, which it should keep"
        yield _mistake(ndim, text, kept)
        yield _mistake(ndim, text, gone)
