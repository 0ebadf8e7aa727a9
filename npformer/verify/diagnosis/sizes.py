"""The numbers of a case that a gradient may wrongly be multiplied by, by name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.cards.case import Case
from npformer.cards.discovery import CARDS
from npformer.cards.letters import LONGER, axes
from npformer.cards.module_card import ModuleCard
from npformer.cards.op_card import OpCard
from npformer.verify.component import Component

CONSTANTS = {
    "2": 2.0,
    "1/2": 0.5,
    "sqrt(2)": math.sqrt(2),
    "1/sqrt(2)": math.sqrt(0.5),
    "sqrt(2/pi)": math.sqrt(2 / math.pi),
    "sqrt(2 pi)": math.sqrt(2 * math.pi),
    "1/sqrt(2 pi)": 1 / math.sqrt(2 * math.pi),
    "ln 2": math.log(2),
    "1/ln 2": 1 / math.log(2),
    "3": 3.0,
    "4": 4.0,
    "1/4": 0.25,
    "10": 10.0,
    "1/10": 0.1,
}


def sizes(component: Component, case: Case) -> dict[str, int]:
    """Letter -> length of that axis; R, rows, and what a configuration or the targets count."""
    found: dict[str, int] = {}
    for name, array in {**case.inputs, "dy": case.dy}.items():
        letters = letters_of(component, name, case, array.ndim)
        for axis, length in enumerate(array.shape):
            if axis >= len(letters or ""):
                if name.isidentifier() and (name != "dy" or letters is None):
                    found[f"{name}.shape[{axis}]"] = length
            elif letters is not None and letters[axis].isalpha():
                found.setdefault(LONGER.get(letters[axis], letters[axis]), length)
    if "axis" in case.static:
        x = case.inputs["x"]
        found["K"] = x.shape[case.static["axis"]]
        if x.ndim > 1:
            found["B"] = len(x)
    if case.dy.ndim > 1:
        found["R"] = math.prod(case.dy.shape[:-1])
    found.update(_counts(case.static))
    return found


def letters_of(component: Component, name: str, case: Case, ndim: int) -> str | None:
    """A letter for each axis of an array; None where nothing is known of the component.

    Those of the caller's own letter spec, if that is where its cases come from.
    """
    spec = getattr(getattr(component, "inputs", None), "words", None)
    if spec is not None:
        own = dict(zip(getattr(component, "names", ()), spec, strict=False))
        axes_here = own[name].axes if name in own else ()
        return "".join(a if isinstance(a, str) else "." for a in axes_here) or None
    if hasattr(component, "names"):  # a function of the caller's, even if it is called like a card
        return None
    known = CARDS.get(component.name)
    if isinstance(known, OpCard):
        # Any axis may be the one that counts: which, only the case says.
        return "." * ndim if "axis" in case.static else known.axes(name, ndim)
    return axes(known.letters.get(name, ""), ndim) if isinstance(known, ModuleCard) else None


def _counts(static: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if isinstance(targets := static.get("targets"), np.ndarray):
        ignored = static.get("ignore_index")
        yield "R", targets.size
        yield "the number of valid targets", int(np.sum(targets != ignored))
    yield from static.get("sizes", {}).items()


def factors(component: Component, case: Case) -> dict[str, float]:
    """Name -> value of every factor worth a name in this case."""
    found = dict(CONSTANTS)
    for letter, n in sizes(component, case).items():
        if n > 0:
            found |= {
                letter: float(n),
                f"1/{letter}": 1 / n,
                f"sqrt({letter})": math.sqrt(n),
                f"1/sqrt({letter})": 1 / math.sqrt(n),
            }
        if n > 1:
            found |= {f"{letter}/({letter} - 1)": n / (n - 1), f"1 - 1/{letter}": 1 - 1 / n}
    for name, value in case.static.items():
        if isinstance(value, float) and value:
            found |= {name: value, f"1/{name}": 1 / value, f"{name}^2": value**2}
            if value != 1:
                found |= {f"1 - {name}": 1 - value, f"1/(1 - {name})": 1 / (1 - value)}
    return found
