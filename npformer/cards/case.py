"""A case: one set of arguments with an upstream gradient, and how it is drawn.

A result, of either engine, is a dictionary: ``y`` for the output (``y0``, ``y1`` ... for several),
``dx`` for the gradient of the input ``x``, ``grad q_proj.weight`` for that of a parameter.
Everything that the gradient is taken with respect to stands in ``Case.inputs``, a module's
parameters included (by their paths), so ops, modules and models are checked by the same lines.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np

from npformer.cards.strategies import Source, draw_array, draw_exponents, draw_sizes, parse_spec

Array = np.ndarray
Result = dict[str, Array]
Frozen = Mapping[str, int | EllipsisType | None]
"""By input, the row that gets no gradient; ``...`` is all of it, None nothing."""


@dataclass(frozen=True)
class Case:
    """One set of arguments, and the upstream gradient of each output."""

    inputs: dict[str, Array]
    """Floating-point arrays that get a gradient, by the name of the argument or parameter."""
    static: dict[str, Any]
    """The other arguments: ids, masks, seeds, flags."""
    dy: Array
    """The upstream gradient of the output, or of the first of several."""
    more: tuple[Array, ...] = ()
    """Those of the other outputs, in order. All zero: a caller does not use that output."""

    @property
    def upstream(self) -> dict[str, Array]:
        """The upstream gradients by output: ``y``, or ``y0``, ``y1`` and so on."""
        every = (self.dy, *self.more)
        return dict(zip(output_names(len(every)), every, strict=True))

    def cast(self, dtype: Any) -> Case:
        """The same numbers in another floating-point type."""

        def to(value: Any) -> Any:
            real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            return value.astype(dtype) if real else value

        return Case(
            {name: to(a) for name, a in self.inputs.items()},
            {name: to(a) for name, a in self.static.items()},
            to(self.dy),
            tuple(to(a) for a in self.more),
        )

    def with_inputs(self, changes: Mapping[str, Array]) -> Case:
        """The same case with some inputs replaced."""
        return dataclasses.replace(self, inputs={**self.inputs, **changes})

    def with_upstream(self, changes: Mapping[str, Array]) -> Case:
        """The same case with other upstream gradients for some outputs, or for all of them."""
        dy, *more = {**self.upstream, **changes}.values()
        return dataclasses.replace(self, dy=dy, more=tuple(more))

    @property
    def key(self) -> Any:
        """Hashable, and the same for two cases of the same numbers in the same layout."""
        return _hashable((self.inputs, self.static, self.upstream))

    @property
    def size(self) -> int:
        """How many numbers it holds: small cases make good examples."""
        return sum(a.size for a in (*self.inputs.values(), *self.upstream.values()))


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.shape, value.strides, value.dtype.str, value.tobytes()
    if isinstance(value, Mapping):
        return tuple((name, _hashable(each)) for name, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return repr(value)


def output_names(count: int) -> tuple[str, ...]:
    """The names of so many outputs in a result."""
    return ("y",) if count == 1 else tuple(f"y{i}" for i in range(count))


def is_output(result: str) -> bool:
    """Whether a result is an output; a gradient's name starts with ``d`` or ``grad``."""
    return result.startswith("y")


def joined(arrays: Mapping[str, Array]) -> Array:
    """The only array, or the entries of all of them in one row."""
    every = list(arrays.values())
    return every[0] if len(every) == 1 else np.concatenate([np.ravel(a) for a in every])


def draw_case(
    source: Source,
    spec: str,
    names: Iterable[str],
    dtype: Any,
    *,
    static: Callable[[dict[str, int]], dict[str, Any]] | None = None,
    least: Mapping[str, int] | None = None,
    limits: Mapping[str, tuple[int, int]] | None = None,
) -> Case:
    """A case for a spec with an arrow, ``"btd, d, d -> btd"``: what goes in and what dy is like.

    ``static`` makes the remaining arguments from the sizes. ``limits`` are by name, ``dy`` too.
    """
    arguments, output = spec.split("->")
    shapes = [*parse_spec(arguments), *parse_spec(output)]
    names = [*names, "dy"]

    def entries(sizes: dict[str, int]) -> int:
        return sum(math.prod(sizes[a] for a in shape) for shape in shapes)

    sizes = draw_sizes(source, "".join(shapes), least, entries=entries)
    bounds = [(limits or {}).get(name, (-310, 30)) for name in names]
    exponents = draw_exponents(source, len(names), bounds)
    arrays = {
        name: draw_array(
            source,
            tuple(sizes[a] for a in shape),
            np.dtype(dtype),
            exponent,
            upstream=name == "dy",
        )
        for name, shape, exponent in zip(names, shapes, exponents, strict=True)
    }
    dy = arrays.pop("dy")
    return Case(arrays, static(sizes) if static else {}, dy)


def live(static: dict[str, Any]) -> dict[str, Any]:
    """Static arguments for one call: a fresh generator for each seed, so that draws repeat."""
    seed = static.get("rng")
    return static if seed is None else {**static, "rng": np.random.default_rng(seed)}
