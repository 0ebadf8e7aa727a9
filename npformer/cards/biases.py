"""What the cards of biases on scores share: y (N, T, S) is linear in a parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, draw_case
from npformer.cards.invariant import Finding
from npformer.cards.scales import walk
from npformer.cards.strategies import Source

Static = dict[str, Any]


def draw_bias(
    source: Source,
    spec: str,
    name: str,
    dtype: Any,
    more: Callable[[], Static] = dict,
    least: dict[str, int] | None = None,
) -> Case:
    """A case for ``spec``, with the sizes T and S, and the first query at the end or anywhere."""

    def static(sizes: dict[str, int]) -> Static:
        at = source.integer(0, 6) if source.choice((False, True)) else None
        return {"t": sizes["t"], "s": sizes["s"], "at": at, **more()}

    return draw_case(source, spec, (name,), dtype, static=static, least=least)


def terms(dy: Array) -> float:
    """The growth of rounding in a sum over queries and keys."""
    return walk(dy[:1].size)


def moved(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
    """Where query and key are both one further, the bias is the same, to the last bit."""
    y = result["y"]
    yield Finding(y[:, 1:, 1:], y[:, :-1, :-1], 0.0)


MOVED = "the bias knows how far query and key are apart, and nothing else"


def linear(name: str) -> Callable[..., Iterator[Finding]]:
    """<y, dy> = <x, dx>, as of every linear function."""

    def look(_: Any, case: Case, result: Result, scales: Result) -> Iterator[Finding]:
        x = case.inputs[name].astype(np.float64)
        dx, y = (result[n].astype(np.float64) for n in (f"d{name}", "y"))
        if not all(a.size and 1e-100 < np.abs(a).max() < 1e100 for a in (x, case.dy)):
            return
        scale = (np.abs(x) * scales[f"d{name}"]).sum() + (np.abs(case.dy) * scales["y"]).sum()
        yield Finding((x * dx).sum(), (y * case.dy).sum(), scale)

    return look


LINEAR = "<y, dy> is what <parameter, its gradient> is, for y is linear"


def in_one_piece(case: Case) -> bool:
    """Whether there are as many queries as keys, and the first of both is the same token."""
    return case.static["t"] == case.static["s"] and not case.static["at"]
