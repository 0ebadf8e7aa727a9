"""Between the calls of a NumPy model: every pair of methods and every op goes through a tap.

A pair is a method and its backward: ``forward`` and ``backward``, ``enter`` and
``enter_backward``, and so on. The methods of the model's own objects are replaced while this
lasts. An op is recognised by its name (``layer_norm_forward``) among the globals of the modules'
code, so a copied and edited file is watched as the original is, and so is an op that was put in
another's place. Classes and functions stay as they are.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

from npformer.cards.discovery import op_cards
from npformer.verify.lockstep.visits import ACTIVATION, Site

_OPS = {
    f"{card.name}_{which}": (card.name, which)
    for card in op_cards()
    for which in ("forward", "backward")
}


class Tap(Protocol):
    """What is done instead of a call; ``original`` makes it."""

    def path(self) -> str:
        """Of the module whose method runs now; an op that it calls belongs to it."""

    def forward(self, site: Site, original: Any, args: Any, kwargs: Any) -> Any:
        """y, cache"""

    def backward(self, site: Site, original: Any, dy: Any, cache: Any) -> Any:
        """gradients"""

    def accumulate(self, path: str, original: Any, parameter: Any, gradient: Any) -> None:
        """Add to a parameter's gradient."""


@contextmanager
def tapped(model: Any, tap: Tap) -> Iterator[None]:
    """Every call inside ``model`` goes through ``tap`` until the block ends; one thread only."""
    with ExitStack() as stack:
        scopes: dict[int, dict[str, Any]] = {}
        for path, module in list(model.named_modules()):
            wrapped = {}
            for name, backward_name in pairs(module):
                method, backward = getattr(module, name), getattr(module, backward_name)
                site = Site(path, name, type(module).__name__)
                wrapped[name] = functools.partial(_forward, tap, site, method)
                wrapped[backward_name] = functools.partial(_backward, tap, site, backward)
                for scope in (_globals(method), _globals(backward)):
                    scopes[id(scope)] = scope
            stack.enter_context(mock.patch.dict(vars(module), wrapped))
            cls: Any = type(module)
            for scope in _class_globals(cls):
                scopes[id(scope)] = scope
        tables: dict[int, dict[str, Any]] = {}
        for scope in scopes.values():
            found = {
                name: _op(tap, op, op, which, scope[name])
                for name, (op, which) in _OPS.items()
                if callable(scope.get(name))
            }
            if isinstance(table := scope.get("ACTIVATIONS"), dict):
                tables[id(table)] = table
            stack.enter_context(mock.patch.dict(scope, found))
        for table in tables.values():
            stack.enter_context(mock.patch.dict(table, _activations(tap, table)))
        _accumulate(stack, model, tap)
        yield


def pairs(module: Any) -> list[tuple[str, str]]:
    """The methods of a module that have a backward, with it."""
    cls: Any = type(module)
    return list(_pairs(cls))


@functools.cache
def _pairs(cls: Any) -> tuple[tuple[str, str], ...]:
    found = [("forward", "backward")] if callable(getattr(cls, "backward", None)) else []
    for name in dir(cls):
        first = name.removesuffix("_backward")
        if first != name and callable(getattr(cls, first, None)):
            found.append((first, name))
    return tuple(found)


def pair_of_ops(tap: Tap, op: str, forward: Any, backward: Any) -> tuple[Any, Any]:
    """Two functions, such as the loss and its backward, through the tap."""
    return _op(tap, op, op, "forward", forward), _op(tap, op, op, "backward", backward)


def _forward(tap: Tap, site: Site, original: Any, *args: Any, **kwargs: Any) -> Any:
    return tap.forward(site, original, args, kwargs)


def _backward(tap: Tap, site: Site, original: Any, dy: Any, cache: Any) -> Any:
    return tap.backward(site, original, dy, cache)


def _op(tap: Tap, operation: str, kind: str, which: str, function: Any) -> Any:
    if which == "forward":

        def forward(*args: Any, **kwargs: Any) -> Any:
            return tap.forward(Site(tap.path(), operation, kind), function, args, kwargs)

        return forward

    def backward(dy: Any, cache: Any) -> Any:
        return tap.backward(Site(tap.path(), operation, kind), function, dy, cache)

    return backward


def _activations(tap: Tap, table: dict[str, Any]) -> dict[str, Any]:
    return {
        name: (
            _op(tap, ACTIVATION, name, "forward", forward),
            _op(tap, ACTIVATION, name, "backward", backward),
        )
        for name, (forward, backward) in table.items()
    }


def _accumulate(stack: ExitStack, model: Any, tap: Tap) -> None:
    paths = {id(parameter): path for path, parameter in model.named_parameters()}
    for cls in {type(parameter) for _, parameter in model.named_parameters()}:
        original = getattr(cls, "accumulate", None)
        if original is None:
            continue

        def accumulate(self: Any, gradient: Any, original: Any = original) -> None:
            path = paths.get(id(self))
            if path is None:
                original(self, gradient)
            else:
                tap.accumulate(path, original, self, gradient)

        stack.enter_context(mock.patch.object(cls, "accumulate", accumulate))


def _globals(method: Any) -> dict[str, Any]:
    function = getattr(method, "__func__", method)
    return getattr(function, "__globals__", {})


@functools.cache
def _class_globals(cls: Any) -> tuple[dict[str, Any], ...]:
    scopes = {
        id(value.__globals__): value.__globals__
        for base in cls.__mro__
        for value in vars(base).values()
        if isinstance(value, types.FunctionType)
    }
    return tuple(scopes.values())
