"""What can be checked: each kind answers ``outputs`` and ``run`` for a case, in one way.

A subject is told by its ``ArgumentNames`` which of a case's arrays it takes and in which order, and
by an ``Engine`` whose arrays those are. Those of PyTorch are in ``torch_subjects`` and
``torch_by_hand``, those of JAX in ``jax_subjects``.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.cards.case import Case, Result, live
from npformer.verify.component import BrokenContract
from npformer.verify.subjects.engines import NUMPY, Engine
from npformer.verify.subjects.outputs import a_kind, in_form_of, outputs_of


@dataclass(frozen=True)
class WithVJP:
    """A function and its vector-Jacobian product, to be checked together.

    ``function(*arrays)`` gives y, ``vjp(dy, *arrays)`` the gradients of the floating-point arrays,
    in order: one array, or a tuple, in which that of a list of arrays is a list. Both take arrays
    of one engine, or both take tensors. Where y is a tuple of outputs, dy is a tuple of as many,
    with None for an output of integers.
    """

    function: Callable[..., Any]
    vjp: Callable[..., Any]


@dataclass(frozen=True)
class ArgumentNames:
    """Which entries of a case are passed on, by name."""

    positional: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of positional ones that are lists of arrays, the members' names in a case."""

    @classmethod
    def of(
        cls, names: Sequence[str], lists: Sequence[int | None], keywords: Sequence[str] = ()
    ) -> ArgumentNames:
        """With these arguments, of which some are lists of so many arrays: ``xs[0]``, ``xs[1]``."""
        known = {
            name: tuple(f"{name}[{i}]" for i in range(number))
            for name, number in zip(names, lists, strict=False)
            if number is not None
        }
        return cls(tuple(names), tuple(keywords), tuple(known.items()))

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names in a case of the positional ones, a list's members one by one."""
        lists = dict(self.lists)
        return tuple(member for name in self.positional for member in lists.get(name, (name,)))

    def arguments(self, case: Case) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments."""
        every = {**case.inputs, **live(case.static)}
        every |= {name: [every[m] for m in members if m in every] for name, members in self.lists}
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
    engine: Engine = NUMPY
    """Whose arrays it takes."""
    has_gradient = True
    freezes = False
    """Whether its gradient may depend on which inputs get one, as autograd's can."""

    def arguments(self, case: Case) -> tuple[list[Any], dict[str, Any]]:
        """A call's, as the engine's arrays."""
        positional, keywords = self.call.arguments(case)
        given = self.engine.given
        return [given(value) for value in positional], {n: given(v) for n, v in keywords.items()}

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
    """``y, cache = forward(*arrays)`` and ``gradients = backward(dy, cache)``.

    Where y is a tuple of outputs, dy is a tuple of as many.
    """

    def returned(self, case: Case) -> Any:
        with self.engine.holding(case.dy.dtype):
            return self._both(case)[0]

    def run(self, case: Case) -> Result:
        with self.engine.holding(case.dy.dtype):
            y, cache = self._both(case)
            outputs = arrays_of(y, callable_name(self.origin[0]))
            return outputs | self._gradients(y, cache, case)

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        with self.engine.holding(case.dy.dtype):
            y, cache = self._both(case)

        def backward(of: Case) -> Result:
            with self.engine.holding(case.dy.dtype):
                return self._gradients(y, cache, of)

        return backward

    def _gradients(self, y: Any, cache: Any, case: Case) -> Result:
        upstream = {name: self.engine.given(dy) for name, dy in case.upstream.items()}
        gradients = self.origin[1](in_form_of(y, upstream), cache)
        return gradients_of(self.engine.numpy(gradients), case, self.call)

    def _both(self, case: Case) -> tuple[Any, Any]:
        """y in NumPy's arrays, and the cache as it is."""
        positional, keywords = self.arguments(case)
        found = self.origin[0](*positional, **keywords)
        if not isinstance(found, tuple) or len(found) != 2:
            raise BrokenContract(
                f"{callable_name(self.origin[0])} returned {a_kind(found)}; the forward of a pair "
                "must return y and a cache"
            )
        return self.engine.numpy(found[0]), found[1]

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin[0])


@dataclass(frozen=True)
class StatefulPair(Pair):
    """An object's ``y = forward(*arrays)`` and ``gradients = backward(dy)``, which keeps its cache.

    A backward belongs to the last forward, so each has one of its own.
    """

    def opened(self, case: Case, frozen: str = "") -> Callable[[Case], Result]:
        return lambda of: self.run(case.with_upstream(of.upstream))

    def _gradients(self, y: Any, cache: Any, case: Case) -> Result:
        upstream = {name: self.engine.given(dy) for name, dy in case.upstream.items()}
        gradients = self.origin[1](in_form_of(y, upstream))
        return gradients_of(self.engine.numpy(gradients), case, self.call)

    def _both(self, case: Case) -> tuple[Any, Any]:
        positional, keywords = self.arguments(case)
        return self.engine.numpy(self.origin[0](*positional, **keywords)), None


@dataclass(frozen=True)
class VJP(Subject):
    """A ``WithVJP`` on arrays."""

    def returned(self, case: Case) -> Any:
        with self.engine.holding(case.dy.dtype):
            positional, keywords = self.arguments(case)
            return self.engine.numpy(self.origin.function(*positional, **keywords))

    def run(self, case: Case) -> Result:
        with self.engine.holding(case.dy.dtype):
            positional, keywords = self.arguments(case)
            y = self.returned(case)
            upstream = {name: self.engine.given(dy) for name, dy in case.upstream.items()}
            gradients = self.origin.vjp(in_form_of(y, upstream), *positional, **keywords)
            gradients = self.engine.numpy(gradients)
            return arrays_of(y, self.name) | gradients_of(gradients, case, self.call)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...] | None:
        return parameters_of(self.origin.function)


@dataclass(frozen=True)
class ForwardOnly(Subject):
    """A function of arrays without a gradient: good for a reference."""

    has_gradient = False

    def returned(self, case: Case) -> Any:
        with self.engine.holding(case.dy.dtype):
            positional, keywords = self.arguments(case)
            return self.engine.numpy(self.origin(*positional, **keywords))


def arrays_of(returned: Any, name: str) -> Result:
    """The outputs as arrays; raises ``BrokenContract`` as ``outputs_of`` does."""
    return {n: np.asarray(y) for n, y in outputs_of(returned, name).items()}


def gradients_of(gradients: Any, case: Case, call: ArgumentNames) -> Result:
    """Named gradients. Raises ``BrokenContract`` unless each input, or argument, has its own."""
    result = {}
    for name, gradient in by_input(gradients, case, call).items():
        if not isinstance(gradient, (np.ndarray, np.generic, float)):
            raise BrokenContract(
                f"the gradient of {name} is {a_kind(gradient)}; it must be an array"
            )
        result[f"d{name}"] = np.asarray(gradient)
    return result


def by_input(gradients: Any, case: Case, call: ArgumentNames) -> dict[str, Any]:
    """What a backward returned, by input; raises ``BrokenContract`` if their numbers differ."""
    found = flat(gradients)
    arguments = [n for n in call.arrays if n in case.inputs or n in case.static]
    wanted = [n for n in arguments if n in case.inputs]
    while len(found) > len(wanted) and found[-1] is None:  # of an optional array that is not there
        found.pop()
    optional = [n for n in case.inputs if n not in call.arrays]  # not in the first case
    if len(found) == len(wanted):
        return dict(zip(wanted, found, strict=True))
    if len(found) == len(wanted) + len(optional):
        return dict(zip((*wanted, *optional), found, strict=True))
    if len(found) == len(arguments):
        return {n: g for n, g in zip(arguments, found, strict=True) if n in case.inputs}
    raise BrokenContract(
        f"the backward returned {count(len(found), 'gradient')}; it must return "
        f"{len(wanted)}, of {', '.join(wanted)}"
    )


def flat(gradients: Any) -> list[Any]:
    """Gradients in a row: that of a list of arrays may be a list too."""
    if not isinstance(gradients, (tuple, list)):
        return [gradients]
    return [each for part in gradients for each in flat(part)]


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
