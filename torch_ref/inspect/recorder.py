"""``record`` of the twin: the same tree of calls as the NumPy model's, by way of autograd.

An array that is used in several places has one gradient, the sum over its uses, while a call's
share of it is what a hand-written backward returns. So every call is given an alias (``view_as``)
of each of its inputs, and hands one of its output on: a node of its own in autograd's graph, with
the same numbers in the same memory. One ``torch.autograd.grad`` then finds the gradients of all
aliases; the parameters' ``grad`` is never written to.

Module objects have their ``forward`` replaced while this runs, ``Residual`` its two halves, and
the functions that a module calls are watched in the same way (``rebind``).
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from npformer.inspect.rebind import rebind
from npformer.inspect.recording import Call, Recording
from torch_ref import ops
from torch_ref.bridge import to_array
from torch_ref.inspect.attention import inside_attention
from torch_ref.models.transformer import Transformer, inference
from torch_ref.nn import FeedForward, MultiHeadAttention, Residual

if TYPE_CHECKING:
    from npformer.text.batches import Batch

Function = Callable[..., Any]


def record(
    twin: Transformer,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Recording:
    """One forward, the loss, and one backward of ``twin`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the target's tokens, padding left out. ``rng`` draws the
    dropout that the NumPy model draws from it; None drops nothing, whatever the twin's mode. The
    twin and its parameters' gradients are afterwards as they were. ``Call.kept`` holds what
    PyTorch saved for its backward during the call, by dtype and shape; ``Call.internals`` holds
    attention's probabilities and the gradients around them, which the fused kernel does not show
    and are computed beside it. Raises as ``Transformer.forward``.
    """
    device = twin.embedding.weight.device
    source, target_in, target_out = (torch.tensor(ids, device=device) for ids in batch)
    recorder = _Recorder(twin)
    cross_entropy = recorder.watched("loss", "cross_entropy", ops.cross_entropy)
    with inference(twin), recorder.watching(twin), torch.enable_grad():
        logits = twin(source, target_in, rng)
        loss = cross_entropy(
            logits,
            target_out,
            label_smoothing=label_smoothing,
            ignore_index=twin.config.padding_id,
        )
    return recorder.recording(loss, dict(twin.named_parameters()))


@dataclass
class _Watched:
    """What the forward shows of a call; its floating-point tensors are the call's own aliases."""

    path: str
    number: int
    kind: str
    inputs: dict[str, Tensor]
    static: dict[str, Any]
    kept: dict[str, int] = field(default_factory=dict)
    output: Tensor = field(init=False)


class _Recorder:
    """Makes watched versions of functions, and gathers what they see."""

    def __init__(self, twin: Transformer) -> None:
        self._activation = twin.config.activation
        self._watched: list[_Watched] = []  # in the order of the forward
        self._inside: list[_Watched] = []  # those that have begun and not ended
        self._calls_of: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._arrived: list[int] = []  # numbers of calls, in the order of the backward
        # Memory that is accounted for already; what is saved stays alive, so no address recurs.
        self._owned = {parameter.untyped_storage().data_ptr() for parameter in twin.parameters()}

    def watched(self, path: str, kind: str, function: Function) -> Function:
        """``function`` as it is, each call of it noted as one of ``path``."""
        signature = inspect.signature(function)

        def run(*args: Any, **kwargs: Any) -> Tensor:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            inputs: dict[str, Tensor] = {}
            static: dict[str, Any] = {}
            for name, value in bound.arguments.items():
                if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                    bound.arguments[name] = inputs[_name(kind, name)] = value.view_as(value)
                else:
                    static[name] = value
            call = _Watched(path, next(self._calls_of[path]), kind, inputs, static)
            order, arrived = len(self._watched), self._arrived
            self._watched.append(call)
            self._inside.append(call)
            y = function(*bound.args, **bound.kwargs)
            self._inside.pop()
            call.output = y.view_as(y)
            call.output.register_hook(lambda gradient: arrived.append(order))
            return call.output

        return run

    @contextmanager
    def watching(self, twin: nn.Module) -> Iterator[None]:
        """Every module of the tree watched, and what autograd saves counted, in the block."""
        with ExitStack() as restore:
            for path, module in twin.named_modules():
                for name, method in self._methods(path, module).items():
                    restore.enter_context(mock.patch.object(module, name, method))
            restore.enter_context(
                torch.autograd.graph.saved_tensors_hooks(self._save, lambda saved: saved)
            )
            yield

    def recording(self, loss: Tensor, parameters: dict[str, Tensor]) -> Recording:
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
            self._call(call, gradient, order, backward_order[order])
            for order, call in enumerate(self._watched)
        )
        return Recording(
            calls,
            loss.item(),
            {path: to_array(gradient[id(parameter)]) for path, parameter in parameters.items()},
        )

    @staticmethod
    def _call(
        call: _Watched, gradient: dict[int, Tensor], forward_order: int, backward_order: int
    ) -> Call:
        doutput = gradient[id(call.output)]
        internals = {}
        if call.kind == "attention":
            arguments: dict[str, Any] = {**call.inputs, **call.static}
            internals = inside_attention(**arguments, dy=doutput)
        return Call(
            path=call.path,
            call=call.number,
            kind=call.kind,
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
            forward_order=forward_order,
            backward_order=backward_order,
        )

    def _methods(self, path: str, module: Any) -> dict[str, Function]:
        """The methods of one module by name, watched, and the functions that it calls itself."""
        kind = type(module).__name__
        if isinstance(module, Residual):
            return {
                half: self.watched(path, f"{kind}.{half}", getattr(module, half))
                for half in ("enter", "leave")
            }
        methods = {"forward": self.watched(path, kind, module.forward)}
        if isinstance(module, MultiHeadAttention):
            attention = self.watched(f"{path}.attention", "attention", ops.attention)
            watched = {"ops": SimpleNamespace(attention=attention)}
            methods["mix"] = rebind(module.mix, watched)
        elif isinstance(module, FeedForward):
            function = module.activation  # PyTorch's own functions have no signature to read
            methods["activation"] = self.watched(
                f"{path}.activation", self._activation, lambda x: function(x)
            )
        elif isinstance(module, Transformer) and module.output_proj is None:
            linear = self.watched("embedding", "linear", ops.linear)
            watched = {"F": SimpleNamespace(linear=linear)}
            methods["_project"] = rebind(module._project, watched)
        return methods

    def _save(self, tensor: Tensor) -> Tensor:
        """Count a tensor that autograd saves, unless its memory is accounted for already."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._owned:
            self._owned.add(storage.data_ptr())
            kept = self._inside[-1].kept
            name = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
            kept[name] = kept.get(name, 0) + storage.nbytes()
        return tensor.detach()


def _name(kind: str, name: str) -> str:
    """PyTorch's own modules call every input ``input``; the NumPy ones are more exact."""
    if name != "input":
        return name
    return "ids" if kind == "Embedding" else "x"
