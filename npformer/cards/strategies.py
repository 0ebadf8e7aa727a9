"""Cases drawn by Hypothesis, which shrinks them, or by a plain generator, which is quick.

A letter spec such as ``"btd, d, d"`` names the axes of some arrays. One size is drawn for each
letter, and different letters get different sizes, so a transposed or misplaced axis cannot
hide; now and then a letter gets size 1 or 0 instead (``sizes``). ``sources`` has where the choices
come from.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.sizes import draw_sizes
from npformer.cards.sources import (
    FirstSource,
    GeneratorSource,
    HypothesisSource,
    SimpleSource,
    Source,
    draw_rng,
    rarely,
)
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

__all__ = [
    "FirstSource",
    "GeneratorSource",
    "HypothesisSource",
    "SimpleSource",
    "Source",
    "arrays_like",
    "draw_array",
    "draw_arrays",
    "draw_exponents",
    "draw_rng",
    "draw_sizes",
    "parse_spec",
    "rarely",
    "seeds",
]

Array = np.ndarray


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


def draw_array(
    source: Source,
    shape: tuple[int, ...],
    dtype: np.dtype,
    exponent: int = 0,
    kinds: Sequence[str] = KINDS,
    *,
    upstream: bool = False,
) -> Array:
    """An array (shape) with a drawn kind of values and a drawn layout, at 10 ** exponent.

    An ``upstream`` gradient may be one number for all entries, as ``y.sum().backward()`` makes it.
    """
    if isinstance(source, SimpleSource) and math.prod(shape) <= source.most:
        values = source.values(shape, dtype)
    else:
        kind = source.choice(kinds) if rarely(source, 3) else "generic"
        values = make_values(draw_rng(source), shape, kind, dtype)
    if exponent:
        values = at_magnitude(values, exponent)
    layout = source.choice(LAYOUTS)
    if layout == "expanded" and values.size:
        axes = source.choice((None, 0, -1)) if upstream else 0
        if axes is None:
            values = np.full_like(values, values.flat[0])
        elif values.ndim > (0 if upstream else 1):  # a weight of one number would hide mistakes
            values = np.repeat(values.take([0], axes), values.shape[axes], axes)
    return in_layout(values, layout)


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
