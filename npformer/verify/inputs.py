"""What ``check`` feeds a function: arrays from a letter spec, from strategies, or as given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.cards.strategies import (
    HypothesisSource,
    Source,
    draw_array,
    draw_sizes,
    rarely,
)
from npformer.errors import VerifyError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Array = np.ndarray

MAGNITUDES = (2, -4)
"""Powers of ten: an unknown function's domain may end where an operation's of ours does not."""


class Inputs:
    """Draws the arrays of one case, in the order of the arguments."""

    only_hypothesis = False
    count: int | None = None
    """How many arrays there are; None where only a draw can tell."""

    def draw(self, source: Source, dtype: np.dtype) -> list[Array]:
        """Arrays; those with a floating-point dtype get a gradient and are of ``dtype``."""
        raise NotImplementedError


class Spec(Inputs):
    """A letter spec, ``"btd, d"``; a number is an axis of that size, ``"bt64, 64"``."""

    def __init__(self, spec: str) -> None:
        self.text = spec
        self.shapes = [_axes(part.strip(), spec) for part in spec.partition("->")[0].split(",")]
        self.count = len(self.shapes)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array]:
        letters = "".join(a for axes in self.shapes for a in axes if a.isalpha())
        # Many functions are not defined on nothing, and a spec does not say whether this one is.
        sizes = draw_sizes(source, letters, dict.fromkeys(letters, 1))
        exponents = [0] * len(self.shapes)
        if rarely(source, 4):
            exponents[source.integer(0, len(exponents) - 1)] = source.choice(MAGNITUDES)
        return [
            draw_array(source, tuple(sizes.get(a) or int(a) for a in axes), dtype, exponent)
            for axes, exponent in zip(self.shapes, exponents, strict=True)
        ]


def _axes(shape: str, spec: str) -> list[str]:
    if shape != "." and not re.fullmatch(r"([A-Za-z]|[1-9]\d*)+", shape):
        raise VerifyError(
            f"the letter spec {spec!r} has {shape!r} for a shape; write one letter an axis, such "
            f"as 'btd, d, d', a number for an axis of fixed size, and '.' for a scalar"
        )
    return re.findall(r"[A-Za-z]|\d+", shape)


class FixedInputs(Inputs):
    """The same arrays every time."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = list(arrays)
        self.count = len(self.arrays)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array]:
        return [_as(dtype, array) for array in self.arrays]


class Strategies(Inputs):
    """A strategy for each array, or one for all of them; arrays may stand between them."""

    only_hypothesis = True

    def __init__(self, strategies: Sequence[Any] | SearchStrategy[Any]) -> None:
        self.each = list(strategies) if isinstance(strategies, (list, tuple)) else None
        self.whole = None if self.each is not None else strategies
        self.count = None if self.each is None else len(self.each)

    def draw(self, source: Source, dtype: np.dtype) -> list[Array]:
        assert isinstance(source, HypothesisSource)
        if self.each is None:
            drawn = source.draw(self.whole)  # type: ignore[arg-type]
            drawn = [drawn] if _is_array(drawn) else list(drawn)
        else:
            drawn = [source.draw(s) if _is_strategy(s) else s for s in self.each]
        return [_as(dtype, array) for array in drawn]


def as_inputs(given: Any) -> Inputs:
    """``inputs`` of ``check`` in one of these forms; raises ``VerifyError`` if it has none."""
    if isinstance(given, Inputs):
        return given
    if isinstance(given, str):
        return Spec(given)
    if _is_strategy(given):
        return Strategies(given)
    if isinstance(given, Mapping):
        given = list(given.values())
    if _is_array(given):
        given = [given]
    if isinstance(given, (list, tuple)) and given:
        if any(_is_strategy(each) for each in given):
            return Strategies(given)
        for array in given:
            if not _is_array(array):
                raise VerifyError(
                    f"inputs holds {type(array).__name__} where an array or a strategy belongs"
                )
        return FixedInputs([_plain(array) for array in given])
    raise VerifyError(
        f"inputs is {given!r}; give a letter spec such as 'btd, d, d', a list of arrays, or "
        "Hypothesis strategies for them"
    )


def _is_strategy(value: Any) -> bool:
    return hasattr(value, "validate") and hasattr(value, "do_draw")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "numpy"))


def _plain(value: Any) -> Array:
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()


def _as(dtype: np.dtype, value: Any) -> Array:
    array = _plain(value) if _is_array(value) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise VerifyError(f"an input has the dtype {array.dtype}; it must be real")
    if array.dtype.kind == "f" and array.dtype != dtype:
        with np.errstate(all="ignore"):
            return array.astype(dtype)
    return array
