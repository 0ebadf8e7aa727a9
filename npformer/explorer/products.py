"""Which tensors of a call are products of two others: a cell is then a row times a column.

As with the wiring, nothing is known of any op. That ``scores`` are q times k, with a factor, shows
in a few of their entries: numbers that are no such product do not agree to seven digits by chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from npformer.explorer.arrays import Layout
from npformer.ops.array import Array

ROW, COLUMN = "row", "column"
_CELLS = 12
_CLOSE = 1e-5  # of the sum of the terms' magnitudes


def products(values: Mapping[str, Array], gradients: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Tensors by name, and gradients by the name of theirs -> what is which product.

    Of the tensor ``of`` the cell in row r and column c of a panel is ``times`` the sum over the
    products of two lines, the r-th ``row`` or ``column`` of ``left`` and the c-th of ``right``,
    plus the c-th entry of ``bias``.
    """
    named = {**values, **{f"d{name}": gradient for name, gradient in gradients.items()}}
    panels = {
        name: _panels(name.removeprefix("d") if name not in values else name, array)
        for name, array in named.items()
        if array.dtype.kind == "f" and array.size
    }
    found = []
    for name, target in panels.items():
        sources = {
            other: array
            for other, array in panels.items()
            if other != name
            and (name not in values or other in values)
            and np.isfinite(array[-1]).all()
        }
        rule = next(_rules(target, sources), None) if min(target.shape[1:]) > 1 else None
        if rule is not None:
            found.append({"of": name, **rule})
    return found


def _panels(name: str, array: Array) -> Array:
    """(heads, rows, columns), as the page shows an array; one panel where there are no heads."""
    layout = Layout.of(array.shape, name)
    whole = np.moveaxis(array[0], layout.heads - 1, 0) if layout.heads else array
    return whole.reshape(layout.panels)


def _rules(target: Array, sources: Mapping[str, Array]) -> Iterator[dict[str, Any]]:
    count, rows, columns = target.shape
    panel = target[-1].astype(np.float64)
    cells = np.argwhere(np.isfinite(panel) & (panel != 0))
    cells = np.random.default_rng(0).permutation(cells)[:_CELLS]
    if len(cells) < _CELLS // 2:
        return
    wanted = panel[cells[:, 0], cells[:, 1]]
    biases = {
        name: array[0, 0, cells[:, 1]].astype(np.float64)
        for name, array in sources.items()
        if array.shape == (1, 1, columns)
    }
    left = _lines(sources, rows, count, cells[:, 0])
    right = _lines(sources, columns, count, cells[:, 1])
    for (one, a), (other, b) in itertools.product(left.items(), right.items()):
        if one[0] == other[0] or a.shape != b.shape:
            continue
        sums, sizes = (a * b).sum(-1), np.abs(a * b).sum(-1)
        for bias, added in ((None, 0.0), *biases.items()):
            rest = wanted - added
            length = sums @ sums
            times = float(rest @ sums / length) if length else 0.0
            if times and (np.abs(rest - times * sums) <= _CLOSE * np.abs(times) * sizes).all():
                yield {
                    "left": list(one),
                    "right": list(other),
                    "times": 1.0 if abs(times - 1) < _CLOSE else float(f"{times:.6g}"),
                    "bias": bias,
                }


def _lines(
    sources: Mapping[str, Array], length: int, count: int, at: Array
) -> dict[tuple[str, str], Array]:
    """(name, "row" or "column") -> these lines (cells, K) of the last of ``count`` panels.

    Of tensors that have ``length`` such lines, and as many panels, or one for several.
    """
    found = {}
    for name, array in sources.items():
        if count % array.shape[0] or min(array.shape[1:]) < 2:
            continue
        for axis, way in enumerate((ROW, COLUMN), start=1):
            if array.shape[axis] == length:
                lines = np.take(array[-1], at, axis=axis - 1).astype(np.float64)
                found[name, way] = lines if way == ROW else lines.T
    return found
