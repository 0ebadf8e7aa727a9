"""What can be verified: a component draws its cases and runs them on either side.

A result, of either engine, is a dictionary: ``y`` for the output, ``dx`` for the gradient of the
input ``x``, ``grad q_proj.weight`` for that of a parameter. Everything that the gradient is taken
with respect to stands in ``Case.inputs``, a module's parameters included (by their paths), so
ops, modules and whole models are checked by the same lines.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npformer.verify.scales import precision
from npformer.verify.strategies import (
    Source,
    draw_array,
    draw_exponents,
    draw_sizes,
    parse_spec,
)

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


class Component:
    """What the checker needs to know of an op, a module or a model."""

    name: str
    kind: str

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


Op = Callable[..., Any]


@dataclass(frozen=True)
class OpComponent(Component):
    """An op: a pair of pure functions, beside the PyTorch function of the same arguments."""

    name: str
    draw_from: Callable[[Source, Any], Case]
    pair: tuple[Op, Op]
    """X_forward and X_backward of the implementation under test."""
    scale: Callable[..., Result]
    precise_function: Callable[..., Any] | None = None
    """A float64 PyTorch formula more exact than the library's own, where that is needed."""
    extended_pair: tuple[Op, Op] | None = None
    """The op for extended precision, where the registered one holds float64 constants."""
    invariants: tuple[Invariant, ...] = ()
    kink: float | None = None
    """Where the op has a corner, a line that passes within 0.01 of it is not differentiated."""
    frozen: Callable[[Case], dict[str, int | None]] = lambda case: {}
    """See ``frozen_rows``: a padding row, by convention."""
    kind: str = "op"
    registered: tuple[Op, Op] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "registered", self.extended_pair or self.pair)

    def implemented_by(self, forward: Op | None = None, backward: Op | None = None) -> OpComponent:
        """The same component with another implementation to test against the same oracles."""
        other = dataclasses.replace(self)
        object.__setattr__(other, "pair", (forward or self.pair[0], backward or self.pair[1]))
        return other

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def forward(self, case: Case) -> Array:
        return self.pair[0](**case.inputs, **_live(case.static))[0]

    def run(self, case: Case) -> Result:
        return _run_pair(self.pair, case)

    def extended(self, case: Case) -> Result:
        return _run_pair(self.registered, case)

    def twin(self, case: Case) -> Result:
        from npformer.verify.oracles import run_torch
        from torch_ref.ops import OPS

        return run_torch(OPS[self.name], case, _live(case.static))

    def precise(self, case: Case) -> Result:
        from npformer.verify.oracles import run_torch

        if self.precise_function is None:
            return self.twin(case)
        return run_torch(self.precise_function, case, _live(case.static))

    def scales(self, case: Case) -> Result:
        fp = precision(case.dy.dtype)
        case = case.cast(np.float64)
        with np.errstate(all="ignore"):
            return self.scale(**case.inputs, **case.static, dy=case.dy, fp=fp)

    def frozen_rows(self, case: Case) -> dict[str, int | None]:
        return self.frozen(case)

    def smooth(self, case: Case) -> bool:
        return self.kink is None or all(
            (np.abs(a - self.kink) > 0.01).all() for a in case.inputs.values()
        )


def _live(static: dict[str, Any]) -> dict[str, Any]:
    """Static arguments for one call: a fresh generator for each seed, so that draws repeat."""
    seed = static.get("rng")
    return static if seed is None else {**static, "rng": np.random.default_rng(seed)}


def _run_pair(pair: tuple[Op, Op], case: Case) -> Result:
    y, cache = pair[0](**case.inputs, **_live(case.static))
    gradients = pair[1](case.dy, cache)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    result = {"y": y}
    for name, gradient in zip(case.inputs, gradients, strict=False):
        result[f"d{name}"] = gradient
    return result


@dataclass(frozen=True)
class ModuleComponent(Component):
    """A module or a model, beside the class of the same name in ``torch_ref``."""

    name: str
    draw_from: Callable[[Source, Any], Case]
    build: Callable[..., Any]
    """(static, dtype) -> the NumPy module."""
    build_twin: Callable[..., Any]
    """(static, torch dtype) -> the PyTorch module."""
    inputs: tuple[str, ...]
    """Names of the forward's array arguments; the other ``Case.inputs`` are parameters."""
    call: Callable[..., Any]
    """(module, inputs, static) -> y, backward: how the NumPy module is run."""
    call_twin: Callable[..., Any]
    """(module, inputs, static) -> y: how the twin is run."""
    invariants: tuple[Invariant, ...] = ()
    patch: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    """Entered around the implementation under test alone: how a mutant is planted."""
    frozen: Callable[[Case], dict[str, int | None]] = lambda case: {}
    """See ``frozen_rows``: the padding row of an embedding, by convention."""
    kind: str = "module"

    def draw(self, source: Source, dtype: Any) -> Case:
        return self.draw_from(source, dtype)

    def forward(self, case: Case) -> Array:
        with self.patch():
            module = self._module(case)
            return self.call(module, self._arguments(case), _live(case.static))[0]

    def run(self, case: Case) -> Result:
        with self.patch():
            return self.extended(case)

    def extended(self, case: Case) -> Result:
        module = self._module(case)
        y, backward = self.call(module, self._arguments(case), _live(case.static))
        gradients = backward(case.dy)
        if gradients is None:
            gradients = ()
        elif not isinstance(gradients, tuple):
            gradients = (gradients,)
        result = {"y": y}
        for name, gradient in zip(self.inputs, gradients, strict=True):
            result[f"d{name}"] = gradient
        for path, parameter in module.named_parameters():
            gradient = parameter.grad
            result[f"grad {path}"] = np.zeros_like(parameter.data) if gradient is None else gradient
        return result

    def twin(self, case: Case) -> Result:
        from npformer.verify.oracles import run_twin

        return run_twin(self, case)

    def scales(self, case: Case) -> Result:
        from npformer.verify.noise import noise_scales

        return noise_scales(self, case)

    def frozen_rows(self, case: Case) -> dict[str, int | None]:
        return self.frozen(case)

    def _arguments(self, case: Case) -> list[Array]:
        return [case.inputs[name] for name in self.inputs]

    def _module(self, case: Case) -> Any:
        module = self.build(case.static, case.dy.dtype)
        for path, parameter in module.named_parameters():
            parameter.data = case.inputs[path]
        return module
