"""What can be checked: each kind answers ``forward`` and ``run`` for a case, in one way.

A subject is told by a ``Call`` which of a case's arrays it takes and in which order. Those of
PyTorch are in ``torch_subjects``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result, live
from npformer.verify.component import BrokenContract


@dataclass(frozen=True)
class WithVJP:
    """A function and its vector-Jacobian product, to be checked together.

    ``function(*arrays)`` gives y, ``vjp(dy, *arrays)`` the gradients of the floating-point arrays,
    in order: one array, or a tuple. Both take NumPy arrays, or both take tensors.
    """

    function: Callable[..., Any]
    vjp: Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """Which entries of a case are passed on, by name."""

    positional: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    def arguments(self, case: Case) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments."""
        every = {**case.inputs, **live(case.static)}
        return (
            [every[name] for name in self.positional if name in every],
            {name: every[name] for name in self.keywords if name in every},
        )


@dataclass(frozen=True)
class Subject:
    """Something to check, or to check against."""

    name: str
    origin: Any
    """What the caller gave."""
    call: Call = Call()
    widest: Any = np.float64
    """The widest dtype that it computes in."""
    has_gradient = True

    def forward(self, case: Case) -> Array:
        """The output alone."""
        raise NotImplementedError

    def run(self, case: Case) -> Result:
        """Output and gradients."""
        raise NotImplementedError

    def taking(self, call: Call) -> Subject:
        """The same with other arguments."""
        return dataclasses.replace(self, call=call)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        """Of the forward; None where a callable has no signature to look at."""
        return parameters_of(self.origin)


@dataclass(frozen=True)
class Pair(Subject):
    """``y, cache = forward(*arrays)`` and ``gradients = backward(dy, cache)`` on NumPy arrays."""

    def forward(self, case: Case) -> Array:
        return self._both(case)[0]

    def run(self, case: Case) -> Result:
        y, cache = self._both(case)
        return result_of(y, self.origin[1](case.dy, cache), case, self.call)

    def _both(self, case: Case) -> tuple[Array, Any]:
        positional, keywords = self.call.arguments(case)
        found = self.origin[0](*positional, **keywords)
        if not isinstance(found, tuple) or len(found) != 2:
            raise BrokenContract(
                f"{callable_name(self.origin[0])} returned {a_kind(found)}; the forward of a pair "
                "must return y and a cache"
            )
        return output(found[0], callable_name(self.origin[0])), found[1]

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin[0])


@dataclass(frozen=True)
class VJP(Subject):
    """A ``WithVJP`` on NumPy arrays."""

    def forward(self, case: Case) -> Array:
        positional, keywords = self.call.arguments(case)
        return output(self.origin.function(*positional, **keywords), self.name)

    def run(self, case: Case) -> Result:
        positional, keywords = self.call.arguments(case)
        y = self.forward(case)
        return result_of(y, self.origin.vjp(case.dy, *positional, **keywords), case, self.call)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin.function)


@dataclass(frozen=True)
class ForwardOnly(Subject):
    """A NumPy function without a gradient: good for a reference."""

    has_gradient = False

    def forward(self, case: Case) -> Array:
        positional, keywords = self.call.arguments(case)
        return output(self.origin(*positional, **keywords), self.name)


def result_of(y: Array, gradients: Any, case: Case, call: Call) -> Result:
    """Named gradients. Raises ``BrokenContract`` unless each input, or argument, has its own."""
    found = gradients if isinstance(gradients, (tuple, list)) else (gradients,)
    arguments = [n for n in call.positional if n in case.inputs or n in case.static]
    wanted = [n for n in arguments if n in case.inputs]
    if len(found) == len(wanted):
        named = dict(zip(wanted, found, strict=True))
    elif len(found) == len(arguments):
        named = {n: g for n, g in zip(arguments, found, strict=True) if n in case.inputs}
    else:
        raise BrokenContract(
            f"the backward returned {count(len(found), 'gradient')}; it must return "
            f"{len(wanted)}, of {', '.join(wanted)}"
        )
    result = {"y": y}
    for name, gradient in named.items():
        if not isinstance(gradient, (np.ndarray, np.generic, float)):
            raise BrokenContract(
                f"the gradient of {name} is {a_kind(gradient)}; it must be an array"
            )
        result[f"d{name}"] = np.asarray(gradient)
    return result


def output(y: Any, name: str) -> Array:
    """y as an array. Raises ``BrokenContract`` unless it is one array of real numbers."""
    if isinstance(y, (tuple, list)):
        raise BrokenContract(
            f"{name} returned {a_kind(y)}; it must return one array (a forward that also returns "
            "a cache is checked with its backward: give the pair of them)"
        )
    if not isinstance(y, (np.ndarray, np.generic, float)) or np.asarray(y).dtype.kind != "f":
        kind = f"an array of {y.dtype}" if isinstance(y, np.ndarray) else a_kind(y)
        raise BrokenContract(f"{name} returned {kind}; it must return floating-point numbers")
    return np.asarray(y)


def a_kind(value: Any) -> str:
    """``None``, ``a tuple of 3``, ``a dict``: what a value is, in words."""
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def count(number: int, noun: str) -> str:
    """``1 gradient``, ``3 gradients``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def callable_name(function: Any, nameless: str = "function") -> str:
    """A name to print: of a function, of a class, or of what a ``partial`` wraps."""
    while not hasattr(function, "__name__") and hasattr(function, "func"):
        function = function.func
    name = getattr(function, "__name__", None) or type(function).__name__
    return nameless if name == "<lambda>" else name


def parameters_of(function: Any) -> tuple[inspect.Parameter, ...] | None:
    """Those of a callable; None if it has no signature, as some of C have not."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
