"""Between the calls of a twin: every method and every op of it goes through a tap.

Methods are those that the NumPy model has a backward of. Ops are the functions of
``torch.nn.functional`` and ``torch_ref.ops`` by which the twin answers to npformer's; their
arguments get npformer's names, so that the two engines' calls can be laid over each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest import mock

import torch.nn.functional as F
from torch import nn

from npformer.cards.discovery import op_cards
from npformer.verify.lockstep.visits import ACTIVATION, Site, bind
from torch_ref import ops
from torch_ref.nn.feed_forward import ACTIVATIONS

METHODS = ("forward", "enter", "leave", "_embed", "_project")
Arguments = dict[str, Any]


class Tap(Protocol):
    """What is done instead of a call."""

    def path(self) -> str:
        """Of the module whose method runs now."""

    def call(self, site: Site, arguments: Arguments, run: Callable[[Arguments], Any]) -> Any:
        """y; ``run(arguments)`` makes the call."""


@contextmanager
def tapped(model: nn.Module, tap: Tap) -> Iterator[None]:
    """Every call inside ``model`` goes through ``tap`` until the block ends; one thread only."""
    with ExitStack() as stack:
        for path, module in model.named_modules():
            for name in METHODS:
                method = getattr(module, name, None)
                if method is None or getattr(type(module), name, None) is nn.Module.forward:
                    continue
                site = Site(path, name, type(module).__name__)
                wrapped = functools.partial(_method, tap, site, method)
                stack.enter_context(mock.patch.object(module, name, wrapped))
            activation = getattr(module, "activation", None)
            if callable(activation) and not isinstance(activation, nn.Module):
                kind = str(getattr(getattr(model, "config", None), "activation", ACTIVATION))
                wrapped = functools.partial(_activation, tap, kind, activation)
                stack.enter_context(mock.patch.object(module, "activation", wrapped))
        for home, name, canonical, run in _ops():
            original = getattr(home, name)
            op = functools.partial(_op, tap, name, original, canonical, run)
            stack.enter_context(mock.patch.object(home, name, op))
        yield


def loss_through(tap: Tap, loss: Any) -> Any:
    """The loss function through the tap."""
    return functools.partial(_op, tap, "cross_entropy", loss, *_SAME)


@contextmanager
def precise_activations(model: nn.Module) -> Iterator[None]:
    """PyTorch's own activations by formulas that keep their digits in the tails."""
    exact = {op.name: op.precise for op in op_cards() if op.precise is not None}
    own: dict[Any, Any] = {
        _what(ACTIVATIONS["gelu"]): functools.partial(exact["gelu"], approximate="none"),
        _what(ACTIVATIONS["gelu_tanh"]): functools.partial(exact["gelu"], approximate="tanh"),
        _what(ACTIVATIONS["silu"]): exact["silu"],
    }
    with ExitStack() as stack:
        for module in model.modules():
            if (better := own.get(_what(vars(module).get("activation")))) is not None:
                stack.enter_context(mock.patch.object(module, "activation", better))
        yield


def _what(activation: Any) -> Any:
    """What a function is, also when it was copied with the module that has it."""
    if isinstance(activation, functools.partial):
        return activation.func, *sorted(activation.keywords.items())
    return activation if callable(activation) else None


def _method(tap: Tap, site: Site, original: Any, *args: Any, **kwargs: Any) -> Any:
    return tap.call(site, bind(site, original, args, kwargs), lambda given: original(**given))


def _activation(tap: Tap, kind: str, original: Any, x: Any) -> Any:
    site = Site(tap.path(), ACTIVATION, kind)
    return tap.call(site, {"x": x}, lambda given: original(given["x"]))


def _op(
    tap: Tap, name: str, original: Any, canonical: Any, run: Any, *args: Any, **kwargs: Any
) -> Any:
    site = Site(tap.path(), name, name)
    if canonical is None:
        arguments = bind(site, original, args, kwargs)
    else:
        arguments = canonical(*args, **kwargs)
    return tap.call(site, arguments, lambda given: run(original, given))


_SAME: tuple[Any, Any] = (None, lambda original, given: original(**given))


def _ops() -> list[tuple[Any, str, Any, Any]]:
    """Where the twin's functions for ops are, and how their arguments answer to the ops'."""
    found = []
    for card in op_cards():
        if card.library is not None:
            function, read, call = card.library
            found.append((F, function.__name__, read, call))
        if card.owner and getattr(ops, card.name, None) is card.twin:
            found.append((ops, card.name, *_SAME))
    return found
