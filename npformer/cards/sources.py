"""Where the choices that make a case come from: Hypothesis, which shrinks, or a generator.

Both go through one small interface, ``Source``, so the command line and the test suite look at
cases of exactly the same kind.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Array = np.ndarray
T = TypeVar("T")
S = TypeVar("S", bound="Source")


class Source(Protocol):
    """Where choices come from; earlier options are simpler, for Hypothesis to shrink towards."""

    edges: bool
    """Whether sizes at the edges of a kernel's blocks are wanted."""

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""

    def spread(self, what: str, options: Sequence[T]) -> T:
        """One of ``options``, each as often as the others; ``what`` they are of."""


class GeneratorSource:
    """Choices from a ``numpy.random.Generator``: no shrinking, no bookkeeping."""

    edges = False

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.turns: dict[str, int] = {}
        """How often each thing was spread so far."""
        self.made: list[int] = []
        """Every choice so far that had an alternative: Hypothesis can make the same ones again."""

    def integer(self, low: int, high: int) -> int:
        chosen = int(self.rng.integers(low, high, endpoint=True))
        if low < high:
            self.made.append(chosen)
        return chosen

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def spread(self, what: str, options: Sequence[T]) -> T:
        """One after the other: chance would leave some out of few cases."""
        turn = self.turns.get(what, 0) % len(options)
        self.turns[what] = turn + 1
        if len(options) > 1:
            self.made.append(turn)
        return options[turn]


class HypothesisSource:
    """Choices from Hypothesis's ``draw``: shrunk, replayed and kept in its database."""

    edges = False

    def __init__(self, draw: Callable[[SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        from hypothesis import strategies as st

        return self.draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        return self.draw(_sampled(options))

    def spread(self, what: str, options: Sequence[T]) -> T:
        """Hypothesis has its own ways of not repeating itself."""
        return self.choice(options)

    def reject(self) -> None:
        """Give up the case that is being drawn."""
        from hypothesis import reject

        reject()


_KEPT: dict[Any, SearchStrategy[Any]] = {}
_PLAIN = frozenset((int, str, bool, type(None)))


def _sampled(options: Sequence[T]) -> SearchStrategy[T]:
    """One of ``options``.

    A strategy's first draw takes three times as long as later ones, so strategies are kept; of
    options of plain types, for among others equal is not the same: 1 and 1.0, (0,) and (False,).
    """
    from hypothesis import strategies as st

    types = tuple(map(type, options))
    if not _PLAIN.issuperset(types):
        return st.sampled_from(list(options))
    key = types, tuple(options)
    if key not in _KEPT:
        _KEPT[key] = st.sampled_from(list(options))
    return _KEPT[key]


class SimpleSource(HypothesisSource):
    """Hypothesis's, towards what is easily read: axes of 1 to 3, integers near 0."""

    most = 64
    """Numbers in an array that ``values`` draws; a larger one is drawn as from any source."""

    def choice(self, options: Sequence[T]) -> T:
        """Of letter specs, those with fewer axes first."""
        if all(isinstance(option, str) for option in options):
            options = sorted(options, key=lambda option: len(str(option)))
        return super().choice(options)

    def sizes(self, letters: str, least: Mapping[str, int]) -> dict[str, int]:
        """A small size for each letter; they may be equal."""
        return {a: max(self.choice((1, 2, 3)), least.get(a, 0)) for a in dict.fromkeys(letters)}

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """Integers, of which few are not 0 once Hypothesis has shrunk them."""
        from hypothesis import strategies as st

        number = st.integers(-3, 3)
        flat = [self.draw(number) for _ in range(math.prod(shape))]
        return np.array(flat, dtype).reshape(shape)


class FirstSource:
    """Always the first option: the plainest case there is, sizes and values apart."""

    edges = False

    def integer(self, low: int, high: int) -> int:
        return low

    def choice(self, options: Sequence[T]) -> T:
        return options[0]

    def spread(self, what: str, options: Sequence[T]) -> T:
        return options[0]


def rarely(source: Source, one_in: int = 5) -> bool:
    """True about once in ``one_in`` draws, and False in the simplest case."""
    return source.integer(0, one_in - 1) == one_in - 1


def draw_rng(source: Source) -> np.random.Generator:
    """A generator from a drawn seed: generic values cost one choice, whatever their number."""
    return np.random.default_rng(source.integer(0, 2**32 - 1))


def at_edges(source: S) -> S:
    """The same source, of which sizes at the edges of a kernel's blocks are wanted."""
    edged = copy.copy(source)
    edged.edges = True
    return edged
