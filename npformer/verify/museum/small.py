"""Small, plain cases of a component, and the smallest shapes at which a wrong version shows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.discovery import CARDS
from npformer.cards.mutant import Mutant
from npformer.cards.strategies import SimpleSource
from npformer.cards.values import make_values
from npformer.verify.component import Component
from npformer.verify.components.registry import component
from npformer.verify.diagnosis.evidence import silence
from npformer.verify.judge import check_case
from npformer.verify.units.error import error_units, worst

T = TypeVar("T")

DRAWS = {"ops": 500, "nn": 450, "models": 60, "optim": 150}
"""How many small cases are looked at, by the component's folder."""
STARTS = 20
"""How many of those that show are then made smaller, letter by letter."""
VALUES = 3
"""How often a shape is tried, each time with other values."""
SHOWS = 1e4
"""A wrong version shows where a result is off by more rounding units."""


class SmallSource(SimpleSource):
    """Sizes of 1 to 3, which may be equal, and mostly generic values.

    In most cases all but one or two letters get 1. Options, sizes and values come from generators
    of their own, so that the same ``seed`` with other ``sizes`` draws the same options; ``again``
    draws other values.
    """

    def __init__(
        self, seed: Sequence[int], sizes: Mapping[str, int] | None = None, again: int = 0
    ) -> None:
        self._options, self._sizes, self._values = (
            np.random.default_rng([*seed, stream]) for stream in (0, 1, 2 + again)
        )
        self.drawn = dict(sizes or {})

    def integer(self, low: int, high: int) -> int:
        return int(self._options.integers(low, high, endpoint=True))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def sizes(self, letters: str, least: Mapping[str, int]) -> dict[str, int]:
        each = list(dict.fromkeys(letters))
        grown = self._sizes.choice((1, 1, 2, len(each)))
        large = set(self._sizes.permutation(len(each))[:grown])
        found = {
            a: max(int(self._sizes.choice((1, 2, 2, 3))) if i in large else 1, least.get(a, 0))
            for i, a in enumerate(each)
        }
        self.drawn = {**found, **self.drawn}
        return {a: self.drawn[a] for a in each}

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        kind = str(self._values.choice(("generic", "generic", "generic", "ties", "constant rows")))
        size = self._values.choice((1.0, 1.0, 1.0, 1.0, 1e2, 1e4))
        return np.asarray(make_values(self._values, shape, kind, np.dtype(float)) * size, dtype)


@dataclass(frozen=True)
class Small:
    """A small case, what draws it, and the right results."""

    seed: tuple[int, ...]
    sizes: Mapping[str, int]
    case: Case
    right: Result
    scales: Result


def small(
    of: Component,
    seed: tuple[int, ...],
    sizes: Mapping[str, int] | None = None,
    again: int = 0,
) -> Small:
    """The case that ``seed`` draws, with these sizes if they are given."""
    source = SmallSource(seed, sizes, again)
    case = of.draw(source, np.dtype(np.float64))
    with silence():
        right = of.run(case)
        scales = _largest(right) if of.kind == "module" else of.scales(case)
        return Small(seed, source.drawn, case, right, scales)


def _largest(right: Result) -> Result:
    """A result's largest entry, for the scales of a module, which would cost more than it does."""
    return {name: np.full(a.shape, np.abs(a).max(initial=0.0)) for name, a in right.items()}


@functools.lru_cache(maxsize=2)  # the wrong versions of a card come one after another
def drawn(name: str) -> list[Small]:
    """Small cases of the component of that name, always the same."""
    of, folder = component(name), CARDS[name].home.split(".")[1]
    return [small(of, (*name.encode(), i)) for i in range(DRAWS[folder])]


@functools.lru_cache(maxsize=2)
def _cheapest(name: str) -> list[Small]:
    """The same, those with the fewest numbers first."""
    return sorted(drawn(name), key=_cost(component(name)))


def results(of: Component, case: Case) -> Result | None:
    """What it gives, None if it fails; a dy that it writes to is restored."""
    dy = case.dy.copy()
    try:
        with silence():
            return of.run(case)
    except Exception:  # a wrong version may be wrong enough for this
        return None
    finally:
        if not np.array_equal(dy, case.dy, equal_nan=True):
            case.dy[...] = dy


def shows(planted: Component, found: Small) -> bool:
    """Whether a wrong version's results are not the right ones, in shape, dtype or value."""
    wrong = results(planted, found.case)
    return wrong is None or not all(
        _same(a, wrong.get(name), found.scales[name]) for name, a in found.right.items()
    )


def _same(a: Any, b: Any, scale: Array) -> bool:
    if b is None or np.shape(a) != np.shape(b) or np.asarray(a).dtype != np.asarray(b).dtype:
        return False
    with silence():
        return worst(error_units(b, a, scale, np.dtype(np.float64))) < SHOWS


def smallest(mutant: Mutant) -> Small | None:
    """Of the small cases on which the checker rejects it, one with the fewest numbers."""
    right = component(mutant.component)
    planted = mutant.plant(right)
    found = itertools.islice((s for s in _cheapest(mutant.component) if shows(planted, s)), STARTS)
    fewer = sorted((_shrunk(right, planted, s) for s in found), key=_cost(right))
    return next((s for s in fewer if _rejected(planted, s)), None)


def _rejected(planted: Component, found: Small) -> bool:
    return bool(check_case(planted, found.case, np.random.default_rng(0)).failures)


def _shrunk(right: Component, planted: Component, best: Small) -> Small:
    """One letter after the other is made 1, or one less, as long as the mistake still shows."""
    for letter in best.sizes:
        for size in sorted({1, best.sizes[letter] - 1}):
            if not 0 < size < best.sizes[letter]:
                continue
            sizes = {**best.sizes, letter: size}
            tried = (small(right, best.seed, sizes, again) for again in range(VALUES))
            best = next((other for other in tried if shows(planted, other)), best)
    return best


def _cost(of: Component) -> Any:
    def cost(found: Small) -> tuple[int, int, str]:
        given = arrays(of, found.case).values()
        numbers, axes = sum(a.size for a in given), sum(a.ndim for a in given)
        return numbers, axes, shapes(of, found.case)

    return cost


def arrays(of: Component, case: Case) -> dict[str, Array]:
    """What a caller hands over: no parameters of a module, no masks, which follow the others."""
    names = getattr(of, "arguments", lambda case: list(case.inputs))(case)
    inputs = {name: a for name, a in case.inputs.items() if name in names}
    static = {n: a for n, a in case.static.items() if isinstance(a, np.ndarray) and a.dtype != bool}
    return {**inputs, **static}


def shapes(of: Component, case: Case) -> str:
    """``x (1, 2), weight (2,)``; of the output where nothing that goes in has a shape."""
    found = arrays(of, case) or {"y": case.dy}
    return ", ".join(f"{name} {a.shape}" for name, a in found.items())
