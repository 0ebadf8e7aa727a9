"""One model, the sizes at which it is asked, and what equal means in its dtype."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.case import Array
from npformer.verify.models.inputs import Inputs, Streams
from npformer.verify.models.result import Broken
from npformer.verify.models.subject import Run, Subject

BOUND = {"float64": 1e5, "float64, in part float32": 1e2}
"""Units of eps x the largest entry that count as equal: 2e-11 of it in float64.

A model that rounds to float32 somewhere is compared in units of float32: 1e-5."""
BOUND_ELSE = 1e3
"""In a narrower dtype, which rounding alone may use up: 1e-4 of the largest entry in float32."""
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)
"""Lengths: each size up to 5, and both sides of the block sizes that kernels have."""
THRESHOLD = re.compile(r"thres|block|chunk|window|bucket|segment|max_(seq|len|pos)|n_positions")
LARGEST = 300
"""Thresholds above it are asked only if the caller gives ``lengths``."""

Padding = Callable[[Inputs, Array], Mapping[str, Any]]
"""(inputs, shown (B, T)) -> the arguments that hide what is not shown."""


class Fill(NamedTuple):
    """How a stream is padded: by an id, by what the model is told to hide, or by both."""

    id: int | None = None
    told: Padding | None = None


class NotAsked(Exception):
    """An invariant that cannot be asked of this model, and why."""


@dataclass
class Question:
    """What every invariant needs to know."""

    subject: Subject
    streams: Streams
    lengths: tuple[int, ...]
    causal: bool | None
    seed: int = 0
    modes: tuple[bool, ...] = (False, True)
    """Evaluation, and training if that is another thing."""
    not_causal: str = ""
    """Why it is not asked as a causal one."""
    padding: dict[str, Fill] = field(default_factory=dict)
    """By stream, how it is padded."""
    step: Callable[[Inputs, int], Iterator[Array]] | None = None
    plain: Any = None
    """A subject: the same model without its memory-saving form."""
    refused: dict[int, str] = field(default_factory=dict)
    """Lengths that the model does not take, with what it said."""

    @property
    def bound(self) -> float:
        """How many units of rounding pass."""
        return BOUND.get(self.subject.dtype, BOUND_ELSE)

    def runs(self, length: int) -> bool:
        """Whether the model takes that length; what it says if not is kept."""
        if length not in self.refused and length not in self.lengths:
            try:
                self.run(self.draw(2, length))
            except Exception as error:
                self.refused[length] = told(error)
        return length not in self.refused

    def is_causal(self) -> None:
        """Raise NotAsked if it is not, or if nobody knows."""
        if not self.causal:
            how = "not causal" if self.causal is False else "not known to be causal"
            raise NotAsked(f"the model is {how}: {self.not_causal}")

    def same_in_any_shape(self) -> None:
        """Raise NotAsked if evaluation draws random numbers, which another shape changes."""
        inputs = self.draw(2, self.lengths[-1])
        first, second = (self.run(inputs, seed=seed).y for seed in (1, 2))
        if not self.agree(first, second):
            raise NotAsked("it draws random numbers in evaluation, and others for another shape")

    @functools.cached_property
    def differentiable(self) -> tuple[bool, ...]:
        """The modes in which a backward runs; raises NotAsked, with what is said, if none."""
        found, said = [], "the model has no gradient"
        for training in self.modes:
            run = self.run(self.draw(2, self.lengths[-1]), training)
            try:
                run.backward(np.ones_like(run.y))
                found.append(training)
            except Exception as error:
                said = f"its backward raises {told(error)}"
        if not found:
            raise NotAsked(said)
        return tuple(found)

    @property
    def target(self) -> str:
        return self.streams.target

    def rng(self, *more: int) -> np.random.Generator:
        """A generator that depends on the seed and on ``more`` alone."""
        return np.random.default_rng([self.seed, *more])

    def draw(self, batch: int, length: int, *more: int) -> Inputs:
        """Inputs that depend on the seed, on the sizes and on ``more`` alone."""
        return self.streams.draw(batch, length, self.rng(batch, length, *more))

    def run(self, inputs: Inputs, training: bool = False, seed: int = 1, **more: Any) -> Run:
        """One forward."""
        return self.subject.forward(inputs, seed, training, more)

    def smallest(
        self, least: int, most: int, broken: Callable[[int], Broken | None]
    ) -> Broken | None:
        """What is broken at the smallest length that the model takes and where something is."""
        found = (broken(length) for length in range(least, most + 1) if self.runs(length))
        return next((each for each in found if each is not None), None)

    def units(self, a: Array, b: Array, scale: float) -> float:
        """The largest difference in units of eps x scale; NaN equals NaN, and nothing else."""
        if a.size == 0:
            return 0.0
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.where(same, 0.0, np.abs(a.astype(np.float64) - b.astype(np.float64)))
        worst = float(np.where(np.isnan(gap), np.inf, gap).max())
        return worst / (self.subject.eps * max(scale, 1e-300)) if worst else 0.0

    def agree(self, a: Array, b: Array) -> bool:
        """Whether two arrays are equal up to rounding, on the scale of their largest entry."""
        if a.dtype.kind not in "fc":
            return bool(np.array_equal(a, b))
        return self.units(a, b, size(a, b)) <= self.bound


def told(error: Exception) -> str:
    """An exception in one line."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120]}" if lines else type(error).__name__


def size(*arrays: Array) -> float:
    """The largest finite magnitude; 0 if there is none."""
    finite = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in arrays]
    return float(max(finite, default=0.0))


def thresholds(subject: Subject) -> set[int]:
    """Integers of the modules and of their configurations that a length may be compared with."""
    found: set[int] = set()
    for _, module in subject.modules():
        for holder in (module, getattr(module, "config", None)):
            for name, value in (getattr(holder, "__dict__", None) or {}).items():
                fits = isinstance(value, int) and not isinstance(value, bool)
                if fits and THRESHOLD.search(name.lower()) and 2 <= value <= LARGEST:
                    found.add(value)
    return found


def around(edges: set[int]) -> set[int]:
    """Each, and its neighbours on both sides."""
    return {edge + by for edge in edges for by in (-1, 0, 1)}
