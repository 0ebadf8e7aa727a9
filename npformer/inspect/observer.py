"""What there is to see of a model at work: every call of its modules, and of the ops between them.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from npformer import seam
from npformer.nn.module import Module

_innermost: ContextVar[ModelObserver | None] = ContextVar("innermost", default=None)


@dataclass
class SeenCall:
    """One call: what its forward shows from its beginning on, and its backward once it has run."""

    path: str
    number: int
    kind: str
    caller: int | None
    arguments: dict[str, Any]
    op: seam.Call | None = None
    """The op itself, or the first that a module without children calls."""
    output: Any = None
    cache: Any = None
    backward_order: int | None = None
    doutput: Any = None
    gradients: Any = None


@dataclass
class _Running:
    """A call that has begun and not ended; one that is not noted has no path."""

    path: str | None = None
    calls_others: bool = False
    seen: SeenCall | None = None
    index: int | None = None


class ModelObserver:
    """Sees one model's calls, and as ``"loss"`` the op that none of its modules calls.

    A call is one of a module's pairs of methods, or of an op by a module that has children: in a
    module that has none, the op is the module. Which backward belongs to which forward is known
    by the cache, as it is to the model itself.
    """

    def __init__(self, model: Module) -> None:
        self.seen: list[SeenCall] = []  # in the order in which the forwards began
        self.returned: list[SeenCall] = []  # in the order in which they ended
        self._modules = {id(module): path for path, module in model.named_modules()}
        self._running: list[_Running] = []
        self._calls_of: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        self._begun: defaultdict[tuple[Any, ...], list[SeenCall]] = defaultdict(list)
        self._backwards = 0

    def __call__(self, call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        if _innermost.get() is not self:  # another recording runs inside this one
            return run(*args, **kwargs)
        if call.name.startswith("_"):  # a part of its module's forward, with a name for the reader
            return run(*args, **kwargs)
        here = self._place(call)
        if here.path is not None and call.is_backward:
            self._begin_backward(here, call.pair, *args[:2])
        elif here.path is not None:
            self._begin(here, call, args, kwargs)
        self._running.append(here)
        result = run(*args, **kwargs)
        self._running.pop()
        if here.seen is not None and call.is_backward:
            here.seen.gradients = result
        elif here.seen is not None:
            here.seen.output, here.seen.cache = result
            self._begun[here.path, call.pair, id(here.seen.cache)].append(here.seen)
            self.returned.append(here.seen)
        return result

    def _place(self, call: seam.Call) -> _Running:
        """Where a call is in the tree; nowhere if it is not to be noted."""
        if call.owner is not None:
            path = self._modules.get(id(call.owner))
            return _Running(path, path is not None and any(call.owner.children()))
        if not self._running:
            return _Running("loss")
        above = self._running[-1]
        if above.calls_others:
            return _Running(f"{above.path}.{call.pair}".lstrip("."))
        if above.seen is not None and above.seen.op is None:
            above.seen.op = call
        return _Running()

    def _begin(self, here: _Running, call: seam.Call, args: Any, kwargs: Any) -> None:
        assert here.path is not None
        op = call if call.owner is None else None
        kind = call.pair
        if op is None:
            args = (call.owner, *args)
            name = type(call.owner).__name__
            kind = name if call.pair == "forward" else f"{name}.{call.pair}"
        arguments = _signature(call.function).bind(*args, **kwargs).arguments
        caller = self._running[-1].index if self._running else None
        here.index = len(self.seen)
        number = next(self._calls_of[here.path])
        here.seen = SeenCall(here.path, number, kind, caller, arguments, op)
        self.seen.append(here.seen)

    def _begin_backward(self, here: _Running, pair: str, dy: Any, cache: Any) -> None:
        here.seen = self._begun[here.path, pair, id(cache)].pop()
        here.seen.doutput = dy
        here.seen.backward_order = self._backwards
        self._backwards += 1


@contextmanager
def observing(model: Module) -> Iterator[ModelObserver]:
    """A ``ModelObserver`` of ``model`` at work, in this thread, until the block ends."""
    observer = ModelObserver(model)
    token = _innermost.set(observer)
    try:
        with seam.watching(observer):
            yield observer
    finally:
        _innermost.reset(token)


_signature = functools.cache(inspect.signature)
