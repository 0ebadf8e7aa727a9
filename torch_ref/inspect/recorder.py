"""``record`` of the twin: the same tree of calls as the NumPy model's, by way of autograd.

An array that is used in several places has one gradient, the sum over its uses, while a call's
share of it is what a hand-written backward returns. So every call is given an alias (``view_as``)
of each of its inputs, and hands one of its output on: a node of its own in autograd's graph, with
the same numbers in the same memory. One ``torch.autograd.grad`` then finds the gradients of all
aliases; the parameters' ``grad`` is never written to.

Forward hooks put the aliases into the modules' arguments and results. The functions between the
modules, and methods besides ``forward``, come through PyTorch's ``TorchFunctionMode``
(``torch_ref.seam``), which is this thread's alone, as the hooks are the twin's.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from npformer.inspect.recording import RecordedCall, Recording
from torch_ref import ops, seam
from torch_ref.bridge import to_array
from torch_ref.inspect.attention import INSIDE
from torch_ref.models.decoding import inference
from torch_ref.models.model import Model

if TYPE_CHECKING:
    from npformer.text.batches import Batch

_innermost: ContextVar[_Recorder | None] = ContextVar("innermost", default=None)


def record(
    twin: Model,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Recording:
    """One forward, the loss, and one backward of ``twin`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the target's tokens, padding left out. ``rng`` draws the
    dropout that the NumPy model draws from it; None drops nothing, whatever the twin's mode. The
    twin and its parameters' gradients are afterwards as they were. A call's ``kept`` holds what
    PyTorch saved for its backward during the call, by dtype and shape; its ``internals`` hold
    attention's probabilities and the gradients around them, which the fused kernel does not show
    and are computed beside it. Raises as the model's ``forward``.
    """
    device = twin.embedding.weight.device
    inputs = {name: torch.tensor(ids, device=device) for name, ids in batch.inputs.items()}
    recorder = _Recorder(twin)
    token = _innermost.set(recorder)
    try:
        with inference(twin), recorder.watching(twin), torch.enable_grad():
            logits = twin(**inputs, rng=rng)
            loss = ops.cross_entropy(
                logits,
                torch.tensor(batch.targets, device=device),
                label_smoothing=label_smoothing,
                ignore_index=twin.config.padding_id,
            )
        return recorder.recording(loss, dict(twin.named_parameters()), twin.streams)
    finally:
        _innermost.reset(token)


@dataclass
class _Watched:
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
    output: Tensor = field(init=False)


class _Recorder(TorchFunctionMode):
    """Gathers what hooks and the seam see, in the order of the forward."""

    def __init__(self, twin: Model) -> None:
        super().__init__()
        self._paths = {id(module): path for path, module in twin.named_modules()}
        self._watched: list[_Watched] = []
        self._inside: list[_Watched] = []  # those that have begun and not ended
        self._calls_of: Counter[str] = Counter()
        self._arrived: list[int] = []  # orders of calls, in the order of the backward
        # Memory that is accounted for already; what is saved stays alive, so no address recurs.
        self._owned = {parameter.untyped_storage().data_ptr() for parameter in twin.parameters()}

    @contextmanager
    def watching(self, twin: nn.Module) -> Iterator[None]:
        """Every module of the tree watched, and what autograd saves counted, in the block."""
        with ExitStack() as restore:
            for module in twin.modules():
                before = module.register_forward_pre_hook(self._before, with_kwargs=True)
                after = module.register_forward_hook(self._after)
                restore.callback(before.remove)
                restore.callback(after.remove)
            restore.enter_context(
                torch.autograd.graph.saved_tensors_hooks(self._save, lambda saved: saved)
            )
            restore.enter_context(self)
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

    def _is_outer(self) -> bool:
        """Whether another recording runs inside this one, which then sees nothing of it."""
        return _innermost.get() is not self

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        if self._is_outer():
            return None
        parent = next(module.children(), None) is not None
        kind = type(module).__name__
        return self._begin(self._paths[id(module)], kind, parent, module.forward, args, kwargs)

    def _after(self, module: nn.Module, args: Any, y: Tensor) -> Tensor:
        return y if self._is_outer() else self._end(y)

    def _begin(
        self, path: str, kind: str, parent: bool, function: Any, args: Any, kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Note a call that begins; what to call it with: aliases in the place of its inputs."""
        caller = self._inside[-1].order if self._inside else None
        order, number = len(self._watched), self._calls_of[path]
        self._calls_of[path] += 1
        call = _Watched(path, number, kind, caller, order, parent)
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                bound.arguments[name] = call.inputs[_name(name, value)] = value.view_as(value)
            elif not isinstance(value, nn.Module):
                call.static[name] = value
        self._watched.append(call)
        self._inside.append(call)
        return bound.args, bound.kwargs

    def _end(self, y: Tensor) -> Tensor:
        call, arrived = self._inside.pop(), self._arrived
        # What has no gradient in training, such as a fixed bias, is shown the one that arrives.
        call.output = y.view_as(y) if y.requires_grad else y.detach().requires_grad_()
        call.output.register_hook(lambda gradient: arrived.append(call.order))
        return call.output

    def recording(
        self, loss: Tensor, parameters: dict[str, Tensor], streams: Mapping[str, str]
    ) -> Recording:
        """Everything watched, with the gradients that ``loss`` sends there."""
        aliases = [
            tensor
            for call in self._watched
            for tensor in (*call.inputs.values(), call.output)
            if tensor.requires_grad  # ids and masks have no gradient
        ]
        leaves = [*parameters.values(), *aliases]
        found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        gradient = {id(leaf): g for leaf, g in zip(leaves, found, strict=True)}
        backward_order = {order: n for n, order in enumerate(self._arrived)}
        calls = tuple(
            self._call(call, gradient, backward_order[call.order]) for call in self._watched
        )
        return Recording(
            calls,
            loss.item(),
            {path: to_array(gradient[id(parameter)]) for path, parameter in parameters.items()},
            streams,
        )

    @staticmethod
    def _call(call: _Watched, gradient: dict[int, Tensor], backward_order: int) -> RecordedCall:
        doutput = gradient[id(call.output)]
        internals = {}
        if call.kind in INSIDE:
            arguments: dict[str, Any] = {**call.inputs, **call.static}
            internals = INSIDE[call.kind](**arguments, dy=doutput)
        return RecordedCall(
            path=call.path,
            call=call.number,
            kind=call.kind,
            op=None,
            inputs={name: to_array(tensor) for name, tensor in call.inputs.items()},
            output=to_array(call.output),
            dinputs={
                name: to_array(gradient[id(tensor)])
                for name, tensor in call.inputs.items()
                if id(tensor) in gradient
            },
            doutput=to_array(doutput),
            internals={name: to_array(tensor) for name, tensor in internals.items()},
            kept=call.kept,
            forward_order=call.order,
            backward_order=backward_order,
            caller=call.caller,
        )

    def _save(self, tensor: Tensor) -> Tensor:
        """Count a tensor that autograd saves, unless its memory is accounted for already."""
        storage = tensor.untyped_storage()
        if not self._is_outer() and storage.data_ptr() not in self._owned:
            self._owned.add(storage.data_ptr())
            kept = self._inside[-1].kept
            name = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
            kept[name] = kept.get(name, 0) + storage.nbytes()
        return tensor.detach()


def _name(name: str, value: Tensor) -> str:
    """PyTorch's own modules call every input ``input``; the NumPy ones are more exact."""
    if name != "input":
        return name
    return "x" if value.is_floating_point() else "ids"
