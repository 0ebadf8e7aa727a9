"""What goes into a model: token ids or vectors, for any batch and length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array
from npformer.errors import VerifyError

Inputs = dict[str, Array]
"""By stream, arrays (B, T) of ids or (B, T, D) of floats."""


@dataclass(frozen=True)
class Stream:
    """One input of a model: ids below ``vocabulary``, or vectors of ``width``.

    A ``sound`` is vectors too, and has its length last.
    """

    name: str
    vocabulary: int = 0
    width: int = 0
    avoid: int | None = None
    """An id that fills a batch, and is drawn for nothing else."""
    sound: bool = False

    @property
    def discrete(self) -> bool:
        return self.vocabulary > 0

    def draw(self, batch: int, length: int, rng: np.random.Generator) -> Array:
        """(B, T) ids, (B, T, D), or (B, D, T) of a sound."""
        if self.sound:
            return rng.standard_normal((batch, self.width, length))
        if not self.discrete:
            return rng.standard_normal((batch, length, self.width))
        ids = rng.integers(0, self.vocabulary, (batch, length))
        if self.avoid is not None and self.vocabulary > 1:
            ids = np.where(ids == self.avoid, (ids + 1) % self.vocabulary, ids)
        return ids

    def __str__(self) -> str:
        if self.discrete:
            return f"{self.name}: ids below {self.vocabulary}"
        if self.sound:
            return f"{self.name}: {self.width} bands of a sound"
        return f"{self.name}: vectors of width {self.width}" if self.width else self.name


@dataclass(frozen=True)
class Streams:
    """The streams of a model; ``target`` is the one whose length the output has."""

    streams: tuple[Stream, ...]
    target: str
    drawn: Callable[[int, int, np.random.Generator], Any] | None = None
    """(batch, length, rng) -> the arrays, if the caller draws them."""
    together: tuple[str, ...] = ()
    """Streams that run beside the target, position by position; itself among them."""

    def draw(self, batch: int, length: int, rng: np.random.Generator) -> Inputs:
        """Other streams than the target get a length of their own, which depends on no other."""
        if self.drawn is not None:
            return named(self.drawn(batch, length, rng), [s.name for s in self.streams])
        return {
            s.name: s.draw(batch, length if s.name == self.target else OTHER, rng)
            for s in self.streams
        }

    def __str__(self) -> str:
        return "; ".join(map(str, self.streams))

    def part(self, inputs: Inputs, positions: slice) -> Inputs:
        """Those positions alone, of the target and what runs beside it."""
        return {n: a[:, positions] if n in self.together else a for n, a in inputs.items()}

    def changed(self, inputs: Inputs, fresh: Inputs, at: Any, by: float = 1.0) -> Inputs:
        """``fresh``, times ``by`` where it is floats, at some positions of the same streams."""
        return {
            n: spliced(a, fresh[n] * by if a.dtype.kind == "f" else fresh[n], at)
            if n in self.together
            else a
            for n, a in inputs.items()
        }

    @property
    def others(self) -> list[Stream]:
        """Streams that the outputs do not stand for, as an encoder's."""
        return [s for s in self.streams if s.name not in self.together]

    def stream(self, name: str) -> Stream:
        """The stream of that name."""
        return next(s for s in self.streams if s.name == name)


OTHER = 6
"""Length of a source: as long as no target by chance, and never 1, where much coincides."""


def named(given: Any, names: list[str] | None = None) -> Inputs:
    """Arrays or tensors, alone, in a tuple or by name -> arrays by name.

    Raises VerifyError for one that has no batch and length.
    """
    if not isinstance(given, Mapping):
        several = list(given) if isinstance(given, tuple | list) else [given]
        names = names or (["x"] if len(several) == 1 else [f"x{i}" for i in range(len(several))])
        given = dict(zip(names, several, strict=True))
    arrays = {name: to_array(value) for name, value in given.items()}
    for name, array in arrays.items():
        if array.ndim < 2:
            raise VerifyError(
                f"the input {name} has shape {array.shape}; it must be (batch, length) or "
                "(batch, length, width)"
            )
    return arrays


def to_array(value: Any) -> Array:
    """A tensor or array as an array."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def like(arrays: Inputs) -> tuple[Stream, ...]:
    """Streams of the kinds of some examples: ids up to the largest seen, vectors as wide."""
    return tuple(
        Stream(name, vocabulary=int(a.max(initial=1)) + 1)
        if a.dtype.kind in "iu"
        else Stream(name, width=a.shape[-1])
        for name, a in arrays.items()
    )


def spliced(first: Array, second: Array, at: Any) -> Array:
    """``first``, with ``second`` at the positions ``at``."""
    result = first.copy()
    result[:, at] = second[:, at]
    return result
