"""What every module is: an owner of parameters that keeps no activation.

``y, cache = module.forward(x)`` and ``dx = module.backward(dy, cache)``. Everything that the
backward needs from the forward travels in the cache, so a module may be called twice before
either backward runs (tied weights, a memory that every decoder layer reads), and the backward
*adds* to each parameter's gradient, because a parameter used twice gets the sum of both.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar
from weakref import ref

import numpy as np

from npformer.errors import ConfigError, ShapeError
from npformer.seam import mark_methods, method

Array = np.ndarray
M = TypeVar("M", bound="Module")


class Parameter:
    """An array that training changes, and the sum of the gradients that reached it.

    ``grad`` is None until a backward pass reaches the parameter. One that is not ``trainable``
    gathers no gradient and is left alone by optimizers.
    """

    __slots__ = ("_taken", "data", "grad", "trainable")

    takes_rows: ClassVar[bool] = False
    """Whether ``accumulate_rows`` is there, for a gradient that is 0 but in some rows."""

    def __init__(self, data: Array, trainable: bool = True) -> None:
        self.data: Array = data
        self.grad: Array | None = None
        self._taken: Any = None  # refers to the gradient, where it is an array that was given
        self.trainable = trainable

    @method
    def accumulate(self, gradient: Array) -> None:
        """Add ``gradient``, of the parameter's shape, to ``grad``; the first one becomes it.

        The array is not changed here, and must not be from then on.
        """
        if not self.trainable:
            return
        if self.grad is None:
            fits = gradient.shape == self.data.shape and gradient.dtype == self.data.dtype
            if fits and gradient.flags.owndata and gradient.flags.carray:
                self.grad, self._taken = gradient, ref(gradient)  # a copy takes its time
            else:
                self.grad = np.empty_like(self.data)
                self.grad[...] = gradient
        elif self._is_given():  # an observer may hold it: it stays as it is
            self.grad = self.grad + gradient
        else:
            self.grad += gradient

    def accumulate_rows(self, rows: Array | slice, gradient: Array) -> None:
        """Add ``gradient`` to those rows of ``grad``, each of which is named once."""
        raise NotImplementedError

    def clear(self) -> None:
        """Set ``grad``, if there is one, to zero: in place, unless it was somebody's array."""
        if self._is_given():
            self.grad = np.zeros_like(self.data)
        elif self.grad is not None:
            self.grad.fill(0)

    def _is_given(self) -> bool:
        return self._taken is not None and self._taken() is self.grad is not None

    def __repr__(self) -> str:
        return f"Parameter{self.data.shape}"


class Module:
    """A node of the module tree; its attributes are parameters, modules and lists of modules.

    Paths through the tree (``encoder.layers.0.self_attn.q_proj.weight``) name parameters, and
    are the same in the PyTorch twin. ``forward``, ``backward`` and every other pair of methods
    ``X``, ``X_backward`` can be watched through ``npformer.seam``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        mark_methods(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``module(x)`` is ``module.forward(x)``: y, cache."""
        return self.forward(*args, **kwargs)  # type: ignore[attr-defined]

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below, by attribute name, in the order they were assigned."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, Module):
                        yield f"{name}.{index}", item

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (path ``prefix``) and all below it, depth first."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter by its path, depth first."""
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of ``named_parameters``."""
        return [parameter for _, parameter in self.named_parameters()]

    def parameter_count(self) -> int:
        """How many numbers the parameters hold in all."""
        return sum(parameter.data.size for parameter in self.parameters())

    def zero_grad(self) -> None:
        """Set every gradient that exists to zero, in place."""
        for parameter in self.parameters():
            parameter.clear()

    def state_dict(self) -> dict[str, Array]:
        """Every parameter's array by its path; the arrays are the parameters' own, not copies."""
        return {name: parameter.data for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Array], *, assign: bool = False) -> None:
        """Copy ``state`` into the parameters, or ``assign`` its arrays to them, without a copy.

        An array that is there under two names is copied for the second: parameters that hold the
        same memory are tied. Raises ``ShapeError`` unless names, shapes and dtypes agree.
        """
        check_state(self.state_dict(), state)
        assigned: set[int] = set()
        for name, parameter in self.named_parameters():
            if assign:
                array = state[name]
                parameter.data = array.copy() if id(array) in assigned else array
                assigned.add(id(array))
            else:
                parameter.data[...] = state[name]

    def replica(self: M) -> M:
        """A copy of the tree that shares every parameter's data but gathers its own gradients.

        One thread may run the backward of the original while another runs the replica's.
        """
        memo: dict[int, Any] = {}
        for parameter in self.parameters():
            memo[id(parameter.data)] = parameter.data  # copied as itself
            memo[id(parameter.grad)] = None
        return copy.deepcopy(self, memo)


def require_positive(**sizes: int) -> None:
    """Raise ``ConfigError`` for the first size that is not 1 or more."""
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} is {size}; it must be 1 or more")


def check_state(own: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise ``ShapeError`` at the first name, shape or dtype in which two state dicts differ."""
    for name in own.keys() - given.keys():
        raise ShapeError(f"the weights lack {name!r}, which the model has")
    for name in given.keys() - own.keys():
        raise ShapeError(f"the weights hold {name!r}, which the model has not")
    for name, array in own.items():
        for what in ("shape", "dtype"):
            mine, theirs = getattr(array, what), getattr(given[name], what)
            if mine != theirs:
                raise ShapeError(
                    f"{name!r} has {what} {theirs} in the weights, {mine} in the model"
                )


def put_module(model: Module, path: str, new: Module) -> None:
    """Replace the module at ``path`` below ``model``."""
    *above, name = path.split(".")
    owner: Any = model
    for step in above:
        owner = owner[int(step)] if isinstance(owner, list) else getattr(owner, step)
    if isinstance(owner, list):
        owner[int(name)] = new
    else:
        setattr(owner, name, new)
