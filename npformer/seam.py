"""The one seam of the package: every call of an op and of a module's methods can be watched here.

An op is marked by ``@op``; ``Module`` marks its own ``forward``, ``backward`` and every other
method ``X`` that has an ``X_backward``. While nobody watches, a call costs one look at a
``ContextVar`` more. Inside ``with watching(observer):`` each call, of this thread alone, becomes

    observer(call, run, *args, **kwargs)

where ``run(*args, **kwargs)`` makes the call, or is the next observer: the last to begin watching
sees a call first. What an observer returns is what the caller gets.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])
Observer = Callable[..., Any]


class _Quietly(tuple[Observer, ...]):
    """Who watches where NumPy's warnings are off already (``quiet``); None if nobody does."""


_observers: ContextVar[tuple[Observer, ...] | None] = ContextVar("observers", default=())


class Call(NamedTuple):
    """What is called."""

    function: Callable[..., Any]
    """The function itself, as it was written."""
    owner: Any = None
    """The module or parameter whose method it is; None for an op."""

    @property
    def name(self) -> str:
        """``layer_norm_forward``, ``backward``, ``project``."""
        return self.function.__name__

    @property
    def is_backward(self) -> bool:
        """Whether it takes ``(dy, cache)`` and returns gradients."""
        return self.name == "backward" or self.name.endswith("_backward")

    @property
    def pair(self) -> str:
        """What a forward and its backward have in common: an op's name, or the method's."""
        if self.owner is None:
            return self.name.removesuffix("_forward").removesuffix("_backward")
        return "forward" if self.name == "backward" else self.name.removesuffix("_backward")


def op(function: F) -> F:
    """A function of the mathematics: watched, and without NumPy's floating-point warnings.

    A result too large for its dtype is inf, and inf - inf is NaN: these are answers, as in
    PyTorch, not occasions for a warning. Whoever trains looks at the gradient.
    """
    call, look = Call(function), _observers.get
    silent = np.errstate(all="ignore")(function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        observers = look()
        if observers is None:
            return function(*args, **kwargs)
        if not observers:
            return silent(*args, **kwargs)
        run = function if type(observers) is _Quietly else silent
        return _through(observers, call, run)(*args, **kwargs)

    return called  # type: ignore[return-value]


def method(function: F) -> F:
    """A method that is watched."""
    look = _observers.get

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        observers = look()
        if not observers:
            return function(*args, **kwargs)
        owner, *rest = args
        run = functools.partial(function, owner)
        return _through(observers, Call(function, owner), run)(*rest, **kwargs)

    return called  # type: ignore[return-value]


def is_watched() -> bool:
    """Whether somebody watches the calls of this thread."""
    return bool(_observers.get())


def mark_methods(cls: type) -> None:
    """Mark the methods that ``cls`` itself defines and that come in pairs: X, X_backward."""
    for name, function in list(vars(cls).items()):
        paired = name in ("forward", "backward") or name.endswith("_backward")
        if inspect.isfunction(function) and (paired or hasattr(cls, f"{name}_backward")):
            setattr(cls, name, method(function))


@contextmanager
def watching(observer: Observer) -> Iterator[None]:
    """Every marked call of this thread goes through ``observer`` until the block ends."""
    before = _observers.get()
    every = (*(before or ()), observer)
    is_quiet = before is None or type(before) is _Quietly
    token = _observers.set(_Quietly(every) if is_quiet else every)
    try:
        yield
    finally:
        _observers.reset(token)


@contextmanager
def quiet() -> Iterator[None]:
    """Floating-point warnings are off until the block ends, and ops need not do it one by one.

    To turn them off takes as long as the arithmetic on a small array. In the block, ops leave an
    ``np.errstate`` as they find it.
    """
    with np.errstate(all="ignore"):
        before = _observers.get()
        token = _observers.set(_Quietly(before) if before else None)
        try:
            yield
        finally:
            _observers.reset(token)


@contextmanager
def replacing(replacements: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """Calls of the keys run the values instead, with the same arguments, until the block ends.

    A key is an op (``softmax_backward``), a method of a class (``Linear.backward``, whose
    replacement takes the module first), or a method of one object (``layer.backward``). What a
    replacement itself calls by its own key is the original.
    """
    table = {_key(target): wrong for target, wrong in replacements.items()}
    running: set[Any] = set()  # of each thread, for workers run the same calls at once

    def observer(call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        for key in ((call.function, id(call.owner)), (call.function, None)):
            here = key, threading.get_ident()
            if key in table and here not in running:
                running.add(here)
                try:
                    before = () if call.owner is None else (call.owner,)
                    return table[key](*before, *args, **kwargs)
                finally:
                    running.remove(here)
        return run(*args, **kwargs)

    with watching(observer):
        yield


def _key(target: Any) -> tuple[Any, int | None]:
    owner = getattr(target, "__self__", None)
    return inspect.unwrap(getattr(target, "__func__", target)), None if owner is None else id(owner)


def _through(observers: tuple[Observer, ...], call: Call, run: Callable[..., Any]) -> Any:
    for observer in observers:
        run = functools.partial(observer, call, run)
    return run
