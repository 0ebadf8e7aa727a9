"""What there is to see of a twin at work: every call of its modules, and of the functions between.

Forward hooks put an alias (``view_as``) of each input and output into the modules' arguments and
results. The functions between the modules, and methods besides ``forward``, come through PyTorch's
``TorchFunctionMode`` (``torch_ref.seam``), which is this thread's alone, as the hooks are the
twin's.
"""

from __future__ import annotations

import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torch_ref import seam

_innermost: ContextVar[ModelObserver | None] = ContextVar("innermost", default=None)


@dataclass
class SeenCall:
    """What the forward shows of a call; its floating-point tensors are the call's own aliases."""

    path: str
    number: int
    kind: str
    caller: int | None
    order: int
    calls_others: bool
    inputs: dict[str, Tensor] = field(default_factory=dict)
    static: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    """Bytes that PyTorch saved for the backward during the call, by dtype and shape."""
    output: Tensor = field(init=False)


class ModelObserver(TorchFunctionMode):
    """Gathers the calls, in the order in which they began."""

    def __init__(self, twin: nn.Module) -> None:
        super().__init__()
        self.seen: list[SeenCall] = []
        self.arrived: list[int] = []
        """Orders of calls, as the backward comes to their outputs."""
        self._paths = {id(module): path for path, module in twin.named_modules()}
        self._inside: list[SeenCall] = []  # those that have begun and not ended
        self._calls_of: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        self._weights = {p.untyped_storage().data_ptr() for p in twin.parameters() if p.numel()}
        # Memory that is accounted for already; what is saved stays alive, so no address recurs.
        self._owned = set(self._weights)

    @contextmanager
    def watching(self, twin: nn.Module) -> Iterator[None]:
        """Every module of the tree watched, and what autograd saves counted, in the block."""
        saved = torch.autograd.graph.saved_tensors_hooks(self._save, lambda saved: saved)
        with seam.hooked(twin, self._before, self._after), saved, self:
            yield

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """A function as it is; one of the seam's is noted, unless it is all that a module does."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func not in seam.OPS or self._is_outer():
            return func(*args, **kwargs)
        if id(args[0]) in self._paths:
            path, kind = self._paths[id(args[0])], f"{type(args[0]).__name__}.{name}"
        elif not self._inside:
            path, kind = "loss", name
        elif self._inside[-1].calls_others:
            path, kind = f"{self._inside[-1].path}.{name}".lstrip("."), name
        else:
            return func(*args, **kwargs)
        args, kwargs = self._begin(path, kind, False, func, args, kwargs)
        return self._end(func(*args, **kwargs))

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if self._is_outer():
            return None
        parent = next(module.children(), None) is not None
        kind = type(module).__name__
        return self._begin(self._paths[id(module)], kind, parent, module.forward, args, kwargs)

    def _after(self, module: nn.Module, args: Any, y: Any) -> Any:
        if self._is_outer():
            return y
        if isinstance(y, tuple):  # with auxiliary losses behind it, which the calls inside show
            return self._end(y[0]), *y[1:]
        return self._end(y)

    def _save(self, tensor: Tensor) -> Tensor:
        """Count a tensor that autograd saves, unless its memory is accounted for already."""
        storage = tensor.untyped_storage()
        if not self._is_outer() and storage.data_ptr() not in self._owned:
            self._owned.add(storage.data_ptr())
            kept = self._inside[-1].kept
            name = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
            kept[name] = kept.get(name, 0) + storage.nbytes()
        return tensor.detach()

    def _is_weight(self, tensor: Tensor) -> bool:
        """Whether it is a parameter, in whatever shape."""
        return tensor.untyped_storage().data_ptr() in self._weights

    def _is_outer(self) -> bool:
        """Whether another recording runs inside this one, which then sees nothing of it."""
        return _innermost.get() is not self

    def _begin(
        self, path: str, kind: str, parent: bool, function: Any, args: Any, kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Note a call that begins; what to call it with: aliases in the place of its inputs."""
        caller = self._inside[-1].order if self._inside else None
        call = SeenCall(path, next(self._calls_of[path]), kind, caller, len(self.seen), parent)
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if isinstance(value, Tensor) and not self._is_weight(value):
                bound.arguments[name] = call.inputs[_name(name, value)] = value.view_as(value)
            elif not isinstance(value, nn.Module):
                call.static[name] = value
        self.seen.append(call)
        self._inside.append(call)
        return bound.args, bound.kwargs

    def _end(self, y: Tensor) -> Tensor:
        call, arrived = self._inside.pop(), self.arrived
        # The hook must not hold the call: a graph that holds itself is never freed.
        order = call.order
        # What has no gradient in training, such as a fixed bias, is shown the one that arrives.
        call.output = y.view_as(y) if y.requires_grad else y.detach().requires_grad_()
        call.output.register_hook(lambda gradient: arrived.append(order))
        return call.output


@contextmanager
def innermost(observer: ModelObserver) -> Iterator[None]:
    """No other recording, inside which this one runs, sees anything until the block ends."""
    token = _innermost.set(observer)
    try:
        yield
    finally:
        _innermost.reset(token)


def _name(name: str, value: Tensor) -> str:
    """PyTorch's own modules call every input ``input``; the NumPy ones are more exact."""
    if name != "input":
        return name
    return "x" if value.is_floating_point() else "ids"
