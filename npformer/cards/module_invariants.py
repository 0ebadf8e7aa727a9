"""Invariants that modules of several kinds share.

Each runs the module itself on other inputs, or compares what one run gives with itself; autograd
says nothing of either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.degrees import Look
from npformer.cards.invariant import Finding
from npformer.ops.array import finite


def gathers(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """After a second backward every parameter has twice its gradient, and dx is the same again."""
    again = component.twice(case)
    for name, value in result.items():
        times = 2 if name.startswith("grad ") else 1
        yield Finding(again[name], times * value, times * scales[name])


def adds_up(*batched: str) -> Look:
    """A batch in two parts: outputs are the parts', gradients of parameters are their sum.

    ``batched`` are the static arguments whose first axis is the batch's, if they have two or more.
    """

    def look(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        count = len(case.dy)
        if count < 2 or case.static.get("rng") is not None:
            return  # what is dropped depends on how many sentences there are
        half = count // 2
        rows = component.arguments(case)
        parts = [
            component.run(_cut(case, part, rows, batched))
            for part in (slice(half), slice(half, count))
        ]
        for name, value in result.items():
            first, second = (part[name] for part in parts)
            whole = first + second if name.startswith("grad ") else np.concatenate([first, second])
            yield Finding(whole, value, 2 * scales[name])

    return look


def _cut(case: Case, part: slice, rows: Sequence[str], batched: Sequence[str]) -> Case:
    static = dict(case.static)
    for name in batched:
        value = static.get(name)
        if isinstance(value, np.ndarray) and value.ndim > 1:
            static[name] = value[part]
    inputs = {name: a[part] if name in rows else a for name, a in case.inputs.items()}
    return dataclasses.replace(case, inputs=inputs, static=static, dy=case.dy[part])


def same_product(
    left: Sequence[str], right: Sequence[str], when: Callable[[Case], Any] = lambda case: True
) -> Look:
    """<da, a>, summed over the arrays a of the left side, is the sum over those of the right.

    What one side's arrays make by a linear map, the other's read by one. An array that a case does
    not have, such as a bias, adds nothing.
    """

    def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        if not when(case):
            return
        (a, size), (b, other) = (product(case, result, scales, side) for side in (left, right))
        yield Finding(a, b, size + other)

    return look


def product(case: Case, result: Result, scales: Result, names: Sequence[str]) -> tuple[Any, Any]:
    """The sum of <gradient, array> over the arrays of these names, and its scale."""
    total = size = np.float64(0)
    for name in names:
        if name not in case.inputs:
            continue
        key = f"grad {name}" if f"grad {name}" in result else f"d{name}"
        a = case.inputs[name].astype(np.float64)
        total = total + (result[key].astype(np.float64) * a).sum()
        size = size + (scales[key] * np.abs(a)).sum()
    return total, size + np.finfo(case.dy.dtype).tiny


def own_positions(component: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """With every position but the first turned about, the first one's y is what it was."""
    x = case.inputs["x"]
    if x.shape[1] < 2 or case.static.get("rng") is not None or not finite(result["y"]):
        return
    changed = -3 * x
    changed[:, 0] = x[:, 0]
    y = component.forward(case.with_inputs({"x": changed}))
    yield Finding(y[:, 0], result["y"][:, 0], 2 * scales["y"][:, 0])


def zeros_elsewhere(name: str, used: Callable[[Case], Array]) -> Look:
    """Rows of a table that no token reads get a gradient of exactly 0: ``used`` says which do."""

    def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        gradient = result[f"grad {name}"]
        unused = np.setdiff1d(np.arange(len(gradient)), used(case))
        yield Finding(gradient[unused], 0.0, 0.0)

    return look
