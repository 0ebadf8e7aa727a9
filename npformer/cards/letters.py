"""An op's shapes, read from the first line of its docstring, and arrays of those shapes.

``x (..., D), weight (D,) -> y (..., D), cache.`` says that x has any number of axes and then D,
by the letters of NOTATION.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, draw_case
from npformer.cards.strategies import Source

LEADING = ("", "B", "BT", "ABT")
"""The letters of up to three leading axes."""
LONGER = {"v": "Hv"}
"""Letters that stand for a name of two."""


def letters_of(function: Callable[..., Any]) -> dict[str, str]:
    """``{"x": "...D", "weight": "D", "y": "...D"}``, by the first line of the docstring.

    ``...`` is any number of axes. The result is ``y``, whatever the line calls it.
    """
    line = (function.__doc__ or "").split("\n")[0]
    before, _, after = line.partition("->")
    found = {name: _word(shape) for name, shape in _shapes(before)}
    result = _shapes(after)
    return {**found, "y": _word(result[0][1])} if result else found


def _shapes(text: str) -> list[tuple[str, str]]:
    return re.findall(r"(\w+) \(([^)]*)\)", text)


def _word(shape: str) -> str:
    names = [name.strip() for name in shape.split(",") if name.strip()]
    short = {long: letter for letter, long in LONGER.items()}
    return "".join(short.get(name, name) for name in names)


def axes(letters: str, ndim: int) -> str:
    """A letter for each of ``ndim`` axes; empty where the letters do not fit that many."""
    if not letters.startswith("..."):
        return letters if len(letters) == ndim else ""
    own = letters[3:] or "D"  # any axes at all: the last is as good as a width
    lead = ndim - len(own)
    return (LEADING[lead] if 0 <= lead < len(LEADING) else "") + own


def draw_by_letters(
    source: Source,
    dtype: Any,
    letters: Mapping[str, str],
    static: Mapping[str, Sequence[Any]],
    least: Mapping[str, int],
) -> Case:
    """A case of the letters' shapes: at rank 1 to 4, where they leave the rank open."""
    lead = source.choice(("bt", "b", "", "abt"))
    words = {name: _spelled(w, lead) for name, w in letters.items()}
    chosen = {name: source.choice(options) for name, options in static.items()}
    inputs = [name for name in words if name != "y"]
    spec = ", ".join(words[name] for name in inputs) + " -> " + words["y"]
    small = {letter.lower(): size for letter, size in least.items()}
    return draw_case(source, spec, inputs, dtype, static=lambda sizes: chosen, least=small)


def _spelled(letters: str, lead: str) -> str:
    if letters == "...":
        return lead + "d"
    return letters.replace("...", lead).lower() or "."


def example_by_letters(
    letters: Mapping[str, str], rows: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Generic float64 arrays: (rows, 3, ...) where the rank is open, another size a letter."""
    sizes: dict[str, int] = {"B": rows, "A": 2, "T": 3}
    found = {}
    for name, word in letters.items():
        if name == "y":
            continue
        if word.startswith("..."):
            word = "BT" + (word[3:] or "D")
        shape = [sizes.setdefault(letter, 1 + len(sizes)) for letter in word]
        found[name] = rng.standard_normal(shape)
    return found
