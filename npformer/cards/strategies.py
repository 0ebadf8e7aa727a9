"""Cases drawn by Hypothesis, which shrinks them, or by a plain generator, which is quick.

A letter spec such as ``"btd, d, d"`` names the axes of some arrays. One size is drawn for each
letter, and different letters get different sizes, so a transposed or misplaced axis cannot
hide; now and then a letter gets size 1 or 0 instead.

Both kinds of drawing go through one small interface, ``Source``, so the command line and the
test suite look at cases of exactly the same kind.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from npformer.cards.values import (
    EXPONENTS,
    KINDS,
    LAYOUTS,
    at_magnitude,
    in_layout,
    make_values,
)
from npformer.errors import VerifyError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Array = np.ndarray
T = TypeVar("T")

SIZES = (2, 3, 4, 5, 6, 7)


class Source(Protocol):
    """Where choices come from; earlier options are simpler, for Hypothesis to shrink towards."""

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""


class GeneratorSource:
    """Choices from a ``numpy.random.Generator``: no shrinking, no bookkeeping."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.made: list[int] = []
        """Every choice so far that had an alternative: Hypothesis can make the same ones again."""

    def integer(self, low: int, high: int) -> int:
        chosen = int(self.rng.integers(low, high, endpoint=True))
        if low < high:
            self.made.append(chosen)
        return chosen

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]


class HypothesisSource:
    """Choices from Hypothesis's ``draw``: shrunk, replayed and kept in its database."""

    def __init__(self, draw: Callable[[SearchStrategy[Any]], Any]) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        from hypothesis import strategies as st

        return self.draw(st.integers(low, high))

    def choice(self, options: Sequence[T]) -> T:
        from hypothesis import strategies as st

        return self.draw(st.sampled_from(list(options)))

    def reject(self) -> None:
        """Give up the case that is being drawn."""
        from hypothesis import reject

        reject()


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

    def integer(self, low: int, high: int) -> int:
        return low

    def choice(self, options: Sequence[T]) -> T:
        return options[0]


def rarely(source: Source, one_in: int = 5) -> bool:
    """True about once in ``one_in`` draws, and False in the simplest case."""
    return source.integer(0, one_in - 1) == one_in - 1


def draw_rng(source: Source) -> np.random.Generator:
    """A generator from a drawn seed: generic values cost one choice, whatever their number."""
    return np.random.default_rng(source.integer(0, 2**32 - 1))


def parse_spec(spec: str) -> list[str]:
    """``"btd, d, d"`` -> ``["btd", "d", "d"]``; ``"."`` is a scalar. Raises ``VerifyError``."""
    shapes = [part.strip() for part in spec.split(",")]
    for shape in shapes:
        if shape != "." and not (shape.isascii() and shape.isalpha()):
            raise VerifyError(
                f"the letter spec {spec!r} has {shape!r} for a shape; write one letter an axis, "
                f"such as 'btd, d, d', and '.' for a scalar"
            )
    return ["" if shape == "." else shape for shape in shapes]


def draw_sizes(
    source: Source, letters: str, least: Mapping[str, int] | None = None
) -> dict[str, int]:
    """A size for each letter: distinct, except that one letter may get its least size instead.

    ``least`` gives the smallest size a letter may have where that is not 0.
    """
    if isinstance(source, SimpleSource):
        return source.sizes(letters, least or {})
    pool = list(SIZES)
    sizes = {}
    for letter in dict.fromkeys(letters):
        sizes[letter] = source.choice(pool) if pool else source.choice(SIZES)
        if sizes[letter] in pool:
            pool.remove(sizes[letter])
    if sizes and rarely(source):
        letter = source.choice(list(sizes))
        sizes[letter] = max(source.choice((1, 0)), (least or {}).get(letter, 0))
    return sizes


def draw_array(
    source: Source,
    shape: tuple[int, ...],
    dtype: np.dtype,
    exponent: int = 0,
    kinds: Sequence[str] = KINDS,
) -> Array:
    """An array (shape) with a drawn kind of values and a drawn layout, at 10 ** exponent."""
    if isinstance(source, SimpleSource) and math.prod(shape) <= source.most:
        return in_layout(source.values(shape, dtype), source.choice(LAYOUTS))
    kind = source.choice(kinds) if rarely(source, 3) else "generic"
    values = make_values(draw_rng(source), shape, kind, dtype)
    if exponent:
        values = at_magnitude(values, exponent)
    return in_layout(values, source.choice(LAYOUTS))


def draw_exponents(
    source: Source, count: int, limits: Sequence[tuple[int, int]] | None = None
) -> list[int]:
    """For each of ``count`` arrays a power of ten: mostly all 0, sometimes one far away.

    ``limits`` are the lowest and highest exponent that the op's domain allows each array.
    """
    exponents = [0] * count
    if count and rarely(source, 4):
        index = source.integer(0, count - 1)
        low, high = limits[index] if limits else (min(EXPONENTS), max(EXPONENTS))
        exponents[index] = source.choice([e for e in EXPONENTS if low <= e <= high] or [0])
    return exponents


def draw_arrays(
    source: Source,
    spec: str,
    dtype: Any = np.float64,
    *,
    least: Mapping[str, int] | None = None,
    limits: Sequence[tuple[int, int]] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> list[Array]:
    """Arrays for a letter spec; see ``arrays_like``."""
    shapes = parse_spec(spec)
    if sizes is None:
        sizes = draw_sizes(source, "".join(shapes), least)
    exponents = draw_exponents(source, len(shapes), limits)
    return [
        draw_array(source, tuple(sizes[a] for a in shape), np.dtype(dtype), exponent)
        for shape, exponent in zip(shapes, exponents, strict=True)
    ]


def arrays_like(
    spec: str,
    dtype: Any = np.float64,
    *,
    least: Mapping[str, int] | None = None,
    limits: Sequence[tuple[int, int]] | None = None,
) -> SearchStrategy[list[Array]]:
    """Lists of arrays of the shapes in ``spec``, as a Hypothesis strategy.

    Args:
        spec: one word of letters for each array, e.g. ``"btd, d, d"``; ``"."`` is a scalar.
        dtype: of every array.
        least: the smallest size of a letter, where it is not 0.
        limits: for each array, the lowest and highest power of ten of its magnitude.
    """
    from hypothesis import strategies as st

    parse_spec(spec)

    @st.composite
    def drawn(draw: Callable[[SearchStrategy[Any]], Any]) -> list[Array]:
        return draw_arrays(HypothesisSource(draw), spec, dtype, least=least, limits=limits)

    return drawn()


def seeds() -> SearchStrategy[int]:
    """Seeds for ``numpy.random.default_rng``."""
    from hypothesis import strategies as st

    return st.integers(0, 2**32 - 1)
