"""Where the calls of a twin come by: PyTorch's hooks at its modules, and a mode at its functions.

Ops are the functions of ``torch.nn.functional`` and ``torch_ref.ops`` by which the twin answers to
npformer's; their arguments get npformer's names, so that the two engines' calls can be laid over
each other. Methods beside ``forward`` come through npformer's own seam.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from npformer.cards.discovery import op_card, op_cards
from npformer.seam import Call, watching
from npformer.verify.lockstep.observer import Observer
from npformer.verify.lockstep.visits import Site, bind
from torch_ref import ops
from torch_ref.seam import OPS, hooked

Arguments = dict[str, Any]


class TwinObserver(Observer):
    """What is told of each call of a twin; a subclass says what to do with it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.parameters = dict(model.named_parameters())
        self.running: list[Site] = []

    def call(self, site: Site, arguments: Arguments, run: Callable[[Arguments], Any]) -> Any:
        """A call from its beginning to its end."""
        return self.after(run(self.before(site, arguments)))

    def before(self, site: Site, arguments: Arguments) -> Arguments:
        """A call begins; what it is to be given."""
        self.running.append(site)
        return self.begin(site, arguments)

    def after(self, y: Any) -> Any:
        """The last call that began has given y; what its caller is to get.

        A module may give ``Auxiliary`` losses after y, to which a NumPy model's backward adds the
        gradient by itself.
        """
        self.running.pop()
        if not isinstance(y, tuple):
            return self.end(y)
        y, *others = y
        y = self.end(y, *(one.loss for one in others))
        return y, *map(self.beside, others)

    def beside(self, auxiliary: Any) -> Any:
        """What the caller is to get of auxiliary losses."""
        return auxiliary

    def begin(self, site: Site, arguments: Arguments) -> Arguments:
        """See ``before``."""
        raise NotImplementedError

    def end(self, y: Any, *losses: Any) -> Any:
        """See ``after``; ``losses`` are the auxiliary ones."""
        raise NotImplementedError

    def module_begins(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        """The hook before a module's forward."""
        site = Site(self.paths[id(module)], "forward", type(module).__name__)
        given = self.before(site, bind(site, module.forward, args, kwargs))
        positional = tuple(value for name, value in given.items() if name.isdigit())
        return positional, {name: value for name, value in given.items() if not name.isdigit()}

    def module_ends(self, module: nn.Module, args: Any, y: Any) -> Any:
        """The hook behind it."""
        return self.after(y)

    def method(self, call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        """The observer of the seam."""
        path = self.paths.get(id(call.owner))
        site = Site(path or "", call.name, type(call.owner).__name__)
        if path is None or self.running[-1:] == [site]:  # what a method replaces is a part of it
            return run(*args, **kwargs)
        bound = bind(site, call.function.__get__(call.owner), args, kwargs)
        return self.call(site, bound, lambda given: run(**given))


@contextmanager
def observed(model: nn.Module, observer: TwinObserver) -> Iterator[None]:
    """``observer`` is told of every call inside ``model``, in this thread, until the block ends."""
    modules = hooked(model, observer.module_begins, observer.module_ends)
    with modules, watching(observer.method), _Functions(observer):
        yield


class _Functions(TorchFunctionMode):
    """Tells of the ops. What an op calls does not come by here."""

    def __init__(self, observer: TwinObserver) -> None:
        super().__init__()
        self._observer = observer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in OPS and func not in _functions():  # what it calls is to be seen
            with self:
                return inspect.unwrap(func)(*args, **(kwargs or {}))
        if func not in _functions():
            return func(*args, **(kwargs or {}))
        name, named, run = _functions()[func]
        running = self._observer.running
        site = Site(running[-1].path if running else "loss", name, name)
        arguments = named(*args, **(kwargs or {}))
        return self._observer.call(site, arguments, functools.partial(run, func))


class PreciseActivations(TorchFunctionMode):
    """PyTorch's own activations by formulas that keep their digits in the tails."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = _functions().get(func)
        precise = None if own is None else op_card(own.op).precise
        if own is None or precise is None:
            return func(*args, **(kwargs or {}))
        return precise(**own.read(*args, **(kwargs or {})))


class Function(NamedTuple):
    """A function by which the twin answers to an op."""

    op: str
    read: Callable[..., Arguments]
    """Its arguments -> the op's, by npformer's names."""
    call: Callable[..., Any]
    """(function, the op's arguments) -> its result."""


@functools.cache
def _functions() -> dict[Any, Function]:
    """PyTorch's functions, and those of ``torch_ref.ops``, that answer to ops of modules."""
    found = {}
    for card in op_cards():
        if card.library is not None:
            name, read, call = card.library
            found[getattr(F, name)] = Function(card.name, read, call)
        if card.owner and getattr(ops, card.name, None) is card.twin:
            found[card.twin] = _same(card.name, card.twin)
    return found


def _same(name: str, function: Any) -> Function:
    """A function whose arguments have npformer's names."""

    def read(*args: Any, **kwargs: Any) -> Arguments:
        return bind(Site("", name, name), function, args, kwargs)

    return Function(name, read, lambda f, a: f(**a))
