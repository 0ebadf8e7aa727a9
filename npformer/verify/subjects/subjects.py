"""What can be checked: each kind answers ``outputs`` and ``run`` for a case, in one way.

A subject is told by its ``ArgumentNames`` which of a case's arrays it takes and in which order.
Those of PyTorch are in ``torch_subjects``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, live
from npformer.verify.component import BrokenContract
from npformer.verify.subjects.outputs import a_kind, in_form_of, outputs_of


@dataclass(frozen=True)
class WithVJP:
    """A function and its vector-Jacobian product, to be checked together.

    ``function(*arrays)`` gives y, ``vjp(dy, *arrays)`` the gradients of the floating-point arrays,
    in order: one array, or a tuple. Both take NumPy arrays, or both take tensors. Where y is a
    tuple of outputs, dy is a tuple of as many, with None for an output of integers.
    """

    function: Callable[..., Any]
    vjp: Callable[..., Any]


@dataclass(frozen=True)
class ArgumentNames:
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
    call: ArgumentNames = ArgumentNames()
    widest: Any = np.float64
    """The widest dtype that it computes in."""
    has_gradient = True

    def returned(self, case: Case) -> Any:
        """What the forward returns, as it returns it."""
        raise NotImplementedError

    def outputs(self, case: Case) -> Result:
        """The outputs alone."""
        return arrays_of(self.returned(case), self.name)

    def run(self, case: Case) -> Result:
        """Outputs and gradients."""
        raise NotImplementedError

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        """One forward; its backward for the upstream gradients of a case, for use more than once.

        ``frozen`` is an input that gets no gradient, where the kind can say so.
        """
        return lambda of: self.run(case.with_upstream(of.upstream))

    def taking(self, call: ArgumentNames) -> Subject:
        """The same with other arguments."""
        return dataclasses.replace(self, call=call)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        """Of the forward; None where a callable has no signature to look at."""
        return parameters_of(self.origin)


@dataclass(frozen=True)
class Pair(Subject):
    """``y, cache = forward(*arrays)`` and ``gradients = backward(dy, cache)`` on NumPy arrays.

    Where y is a tuple of outputs, dy is a tuple of as many.
    """

    def returned(self, case: Case) -> Any:
        return self._both(case)[0]

    def run(self, case: Case) -> Result:
        y, cache = self._both(case)
        outputs = arrays_of(y, callable_name(self.origin[0]))
        gradients = self.origin[1](in_form_of(y, case.upstream), cache)
        return outputs | gradients_of(gradients, case, self.call)

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        y, cache = self._both(case)
        return lambda of: gradients_of(
            self.origin[1](in_form_of(y, of.upstream), cache), case, self.call
        )

    def _both(self, case: Case) -> tuple[Any, Any]:
        positional, keywords = self.call.arguments(case)
        found = self.origin[0](*positional, **keywords)
        if not isinstance(found, tuple) or len(found) != 2:
            raise BrokenContract(
                f"{callable_name(self.origin[0])} returned {a_kind(found)}; the forward of a pair "
                "must return y and a cache"
            )
        return found

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin[0])


@dataclass(frozen=True)
class VJP(Subject):
    """A ``WithVJP`` on NumPy arrays."""

    def returned(self, case: Case) -> Any:
        positional, keywords = self.call.arguments(case)
        return self.origin.function(*positional, **keywords)

    def run(self, case: Case) -> Result:
        positional, keywords = self.call.arguments(case)
        y = self.returned(case)
        gradients = self.origin.vjp(in_form_of(y, case.upstream), *positional, **keywords)
        return arrays_of(y, self.name) | gradients_of(gradients, case, self.call)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin.function)


@dataclass(frozen=True)
class ForwardOnly(Subject):
    """A NumPy function without a gradient: good for a reference."""

    has_gradient = False

    def returned(self, case: Case) -> Any:
        positional, keywords = self.call.arguments(case)
        return self.origin(*positional, **keywords)


def arrays_of(returned: Any, name: str) -> Result:
    """The outputs as arrays; raises ``BrokenContract`` as ``outputs_of`` does."""
    return {n: np.asarray(y) for n, y in outputs_of(returned, name).items()}


def gradients_of(gradients: Any, case: Case, call: ArgumentNames) -> Result:
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
    result = {}
    for name, gradient in named.items():
        if not isinstance(gradient, (np.ndarray, np.generic, float)):
            raise BrokenContract(
                f"the gradient of {name} is {a_kind(gradient)}; it must be an array"
            )
        result[f"d{name}"] = np.asarray(gradient)
    return result


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
