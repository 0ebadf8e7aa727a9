"""Ordinary tests: what people check a gradient with, and what some wrong version passes.

A specimen of the museum, a wrong version that was seen in public, names on its card the ordinary
test that misses it. ``npformer.verify.museum.ordinary`` runs that test, and the specimen passes.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from npformer.cards.case import Array, Case

Judge = Literal["agreement", "own forward", "direction"]
Narrow = Callable[[Case], Case | None]


@dataclass(frozen=True)
class Ordinary:
    """The cases that a test tries, and what it looks at."""

    words: str
    """What is ordinary about it; "the test has ..." goes before."""
    narrow: Narrow = lambda case: case
    """A drawn case as this test would have it; None if it would not have such a case."""
    results: tuple[str, ...] = ()
    """What it compares, by name; everything unless given."""
    judge: Judge = "agreement"
    """Right results beside it; or finite differences of the implementation's own forward; or
    whether the weight moves in the right direction."""
    tolerance: tuple[float, float] = (1e-5, 1e-8)
    """Relative and absolute."""


def only(words: str, condition: Callable[[Case], Any], **more: Any) -> Ordinary:
    """Cases for which ``condition`` holds."""
    return Ordinary(words, lambda case: case if condition(case) else None, **more)


def option(words: str, **static: Any) -> Ordinary:
    """Every case with these options."""

    def narrow(case: Case) -> Case:
        return dataclasses.replace(case, static={**case.static, **static})

    return Ordinary(words, narrow)


def _ones(case: Case) -> Case:
    return dataclasses.replace(case, dy=np.ones_like(case.dy))


def _initial(case: Case) -> Case:
    """Vectors called weight are 1, those called bias 0."""

    def value(name: str, a: Array) -> Array:
        kind = name.rpartition(".")[2]
        if a.ndim != 1 or kind not in ("weight", "bias"):
            return a
        return np.full_like(a, 1.0 if kind == "weight" else 0.0)

    return case.with_inputs({name: value(name, a) for name, a in case.inputs.items()})


def _contiguous(case: Case) -> Case:
    inputs = {name: np.array(a, order="C") for name, a in case.inputs.items()}
    return Case(inputs, case.static, np.array(case.dy, order="C"))


def _ones_initial(case: Case) -> Case:
    return _ones(_initial(case))


ONES = Ordinary("an upstream gradient of ones", _ones)
INITIAL = Ordinary("weights of 1 and biases of 0", _initial)
ONES_INITIAL = Ordinary("an upstream gradient of ones, and weights of 1", _ones_initial)
CONTIGUOUS = Ordinary("contiguous arrays", _contiguous)
OUTPUT = Ordinary("a look at the output alone", results=("y",))
DX = Ordinary("a look at dx alone", results=("y", "dx"))
OWN_FORWARD = Ordinary("finite differences of its own forward", judge="own forward")
DESCENDS = Ordinary("a look at whether the loss falls", judge="direction")
ONE_ROW = only("a batch of one row", lambda case: case.dy.size == case.dy.shape[-1])
MATRIX = only("inputs of rank 2", lambda case: case.dy.ndim == 2)
