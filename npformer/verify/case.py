"""What can be verified: a component draws its cases and runs them on either side.

A result, of either engine, is a dictionary: ``y`` for the output, ``dx`` for the gradient of the
input ``x``, ``grad q_proj.weight`` for that of a parameter. Everything that the gradient is taken
with respect to stands in ``Case.inputs``, a module's parameters included (by their paths), so
ops, modules and whole models are checked by the same lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from npformer.verify.drawing.strategies import (
    HypothesisSource,
    Source,
    draw_array,
    draw_exponents,
    draw_sizes,
    parse_spec,
)
from npformer.verify.units.error import acceptable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Array = np.ndarray
Result = dict[str, Array]


@dataclass(frozen=True)
class Case:
    """One set of arguments, and the upstream gradient dy."""

    inputs: dict[str, Array]
    """Floating-point arrays that get a gradient, by the name of the argument or parameter."""
    static: dict[str, Any]
    """The other arguments: ids, masks, seeds, flags."""
    dy: Array

    def cast(self, dtype: Any) -> Case:
        """The same numbers in another floating-point type."""

        def to(value: Any) -> Any:
            real = isinstance(value, np.ndarray) and value.dtype.kind == "f"
            return value.astype(dtype) if real else value

        return Case(
            {name: to(a) for name, a in self.inputs.items()},
            {name: to(a) for name, a in self.static.items()},
            to(self.dy),
        )

    def with_inputs(self, changes: Mapping[str, Array]) -> Case:
        """The same case with some inputs replaced."""
        return dataclasses.replace(self, inputs={**self.inputs, **changes})

    @property
    def size(self) -> int:
        """How many numbers it holds: small cases make good examples."""
        return self.dy.size + sum(a.size for a in self.inputs.values())


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
    sizes = draw_sizes(source, "".join(shapes), least)
    bounds = [(limits or {}).get(name, (-310, 30)) for name in names]
    exponents = draw_exponents(source, len(names), bounds)
    arrays = {
        name: draw_array(source, tuple(sizes[a] for a in shape), np.dtype(dtype), exponent)
        for name, shape, exponent in zip(names, shapes, exponents, strict=True)
    }
    dy = arrays.pop("dy")
    return Case(arrays, static(sizes) if static else {}, dy)


class BrokenContract(Exception):
    """A call that gave something other than a result: too few gradients, no array, no output."""


class Component:
    """What the checker needs to know of an op, a module or a model."""

    name: str
    kind: str
    witness: str = "PyTorch"
    """Whose result it is measured against."""
    widest: Any = np.longdouble
    """The widest dtype that ``forward`` and ``run`` compute in."""
    lenient: bool = False
    """Whether a case that the witness itself gets wrong, by overflow say, is left out."""
    corners: bool = False
    """Whether the forward may have corners that ``smooth`` does not know of."""
    only_hypothesis: bool = False
    """Whether its cases come from strategies, which a plain generator cannot draw from."""

    def draw(self, source: Source, dtype: Any) -> Case:
        """A case, parameters off their initial values."""
        raise NotImplementedError

    def forward(self, case: Case) -> Array:
        """The NumPy output alone, in the case's own dtype."""
        raise NotImplementedError

    def run(self, case: Case) -> Result:
        """The NumPy output and gradients of the implementation under test."""
        raise NotImplementedError

    def extended(self, case: Case) -> Result:
        """The same of the registered implementation, for a case in extended precision."""
        raise NotImplementedError

    def twin(self, case: Case) -> Result:
        """PyTorch's output and autograd's gradients, in the case's dtype."""
        raise NotImplementedError

    def precise(self, case: Case) -> Result:
        """PyTorch's, of a float64 case, by the most accurate formula that it has."""
        return self.twin(case)

    def scales(self, case: Case) -> Result:
        """S of every entry of a result."""
        raise NotImplementedError

    def reference(self, case: Case) -> Result | None:
        """The results to measure a case against, if the component knows; see ``oracles``."""
        return None

    def accepts(self, ours: float, pytorch: float) -> bool:
        """Whether an error is right, given the witness's own on the same case."""
        return acceptable(ours, pytorch)

    def smooth(self, case: Case) -> bool:
        """Whether the forward can be differentiated along a line through this case."""
        return True

    invariants: tuple[Invariant, ...] = ()

    def frozen_rows(self, case: Case) -> dict[str, int | None]:
        """By input, the row that gets no gradient although the output depends on it, if any."""
        return {}


@dataclass(frozen=True)
class Finding:
    """What an invariant compares: two arrays that must agree, on a scale."""

    what: str
    value: Array
    expected: Array | float
    scale: Array | float


Invariant = Callable[[Component, Case, Result, Result], Iterable[Finding]]
"""(component, case, result, scales) -> findings."""


def live(static: dict[str, Any]) -> dict[str, Any]:
    """Static arguments for one call: a fresh generator for each seed, so that draws repeat."""
    seed = static.get("rng")
    return static if seed is None else {**static, "rng": np.random.default_rng(seed)}


def cases(component: Component, dtype: Any) -> SearchStrategy[Case]:
    """Cases of a registered component, as a Hypothesis strategy."""
    from hypothesis import strategies as st

    @st.composite
    def drawn(draw: Callable[[SearchStrategy[Any]], Any]) -> Case:
        return component.draw(HypothesisSource(draw), np.dtype(dtype))

    return drawn()
