"""``record``: run one forward and one backward, and keep everything that passed between modules.

While it runs, each module *object* of the model has its ``forward`` and ``backward`` replaced by
functions that call the original and note what they see (``_Recorder.pair``); an op that a module
calls itself is replaced for that one object too (``rebind``). Classes, ops and other models know
nothing of it, and afterwards the objects are as they were. The model computes what it always
does: the gradients are those of an ordinary backward, bit for bit.

A module may run several times before its backwards do. What belongs together is known by the
cache, as it is to the model itself.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from npformer.inspect.caches import arrays, fields, owner
from npformer.inspect.rebind import rebind
from npformer.inspect.recording import Call, Recording
from npformer.models.transformer import Transformer
from npformer.nn.feed_forward import FeedForward
from npformer.nn.module import Module, Parameter
from npformer.nn.multi_head_attention import MultiHeadAttention
from npformer.nn.residual import Residual
from npformer.ops.array import Array
from npformer.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from npformer.text.batches import Batch

Function = Callable[..., Any]
Pair = tuple[Function, Function]


def record(
    model: Transformer,
    batch: Batch,
    *,
    label_smoothing: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Recording:
    """One forward, the loss, and one backward of ``model`` on ``batch``, with all that passed.

    The loss is the mean cross-entropy of the target's tokens, padding left out. ``rng`` draws the
    dropout; None drops nothing. The model and the gradients that its parameters hold are
    afterwards as they were, also when an exception ends the run; meanwhile no other thread may
    run it. The arrays are those that the model made, not copies. Raises as
    ``Transformer.forward``.
    """
    recorder = _Recorder(model.parameters())
    loss_forward, loss_backward = recorder.pair(
        "loss", "cross_entropy", cross_entropy_forward, cross_entropy_backward
    )
    with _gradients_set_aside(model), recorder.watching(model):
        logits, cache = model.forward(batch.source, batch.target_in, rng)
        loss, loss_cache = loss_forward(
            logits,
            batch.target_out,
            label_smoothing=label_smoothing,
            ignore_index=model.config.padding_id,
        )
        dlogits = loss_backward(np.ones_like(loss), loss_cache)
        model.backward(dlogits, cache)
        gradients = {
            path: np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad
            for path, parameter in model.named_parameters()
        }
    calls = sorted(recorder.calls, key=lambda call: call.forward_order)
    return Recording(tuple(calls), float(loss), gradients)


class _Begun(NamedTuple):
    """What the forward knows of a call."""

    path: str
    number: int
    kind: str
    inputs: dict[str, Array]
    output: Array
    cache: Any
    kept: dict[str, int]
    order: int


class _Recorder:
    """Makes recorded versions of functions, and gathers what they see."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.calls: list[Call] = []
        weights = [parameter.data for parameter in parameters]
        self._weights = {id(weight) for weight in weights}  # no inputs, though ops take them
        self._owned = {id(owner(weight)) for weight in weights}  # memory already accounted for
        self._calls_of: defaultdict[str, Iterator[int]] = defaultdict(count)
        self._forward_order, self._backward_order = count(), count()
        self._begun: defaultdict[tuple[str, int], list[_Begun]] = defaultdict(list)

    def pair(self, path: str, kind: str, forward: Function, backward: Function) -> Pair:
        """``y, cache = forward(...)`` and ``... = backward(dy, cache)``, as calls of ``path``."""
        signature = inspect.signature(forward)

        def recorded_forward(*args: Any, **kwargs: Any) -> Any:
            arguments = signature.bind(*args, **kwargs).arguments
            inputs = {n: a for n, a in arguments.items() if isinstance(a, np.ndarray)}
            number, order = next(self._calls_of[path]), next(self._forward_order)
            y, cache = forward(*args, **kwargs)
            begun = _Begun(path, number, kind, inputs, y, cache, self._keep(cache), order)
            self._begun[path, id(cache)].append(begun)
            return y, cache

        def recorded_backward(dy: Array, cache: Any) -> Any:
            begun = self._begun[path, id(cache)].pop()
            order = next(self._backward_order)
            gradients = backward(dy, cache)
            self.calls.append(self._call(begun, dy, gradients, order))
            return gradients

        return recorded_forward, recorded_backward

    @contextmanager
    def watching(self, model: Module) -> Iterator[None]:
        """Every module of the tree with its methods recorded, until the block ends."""
        with ExitStack() as restore:
            for path, module in list(model.named_modules()):
                for name, method in self._methods(path, module).items():
                    restore.enter_context(mock.patch.object(module, name, method))
            yield

    def _methods(self, path: str, module: Any) -> dict[str, Function]:
        """The methods of one module by name, recorded, and in them the ops that it calls itself."""
        kind = type(module).__name__
        if isinstance(module, Residual):
            return {
                **self._recorded(path, f"{kind}.enter", module, ("enter", "enter_backward")),
                **self._recorded(path, f"{kind}.leave", module, ("leave", "leave_backward")),
            }
        ops: dict[str, Any] = {}
        tied: dict[str, Function] = {}
        if isinstance(module, MultiHeadAttention):
            ops = self._ops(f"{path}.attention", "attention", module.forward)
        elif isinstance(module, FeedForward):
            name = module.activation
            pair = module.forward.__globals__["ACTIVATIONS"][name]
            ops = {"ACTIVATIONS": {name: self.pair(f"{path}.activation", name, *pair)}}
        elif isinstance(module, Transformer) and module.output_proj is None:
            linear = self._ops("embedding", "linear", module._project)
            tied = {
                "_project": rebind(module._project, linear),
                "_project_backward": rebind(module._project_backward, linear),
            }
        return {**self._recorded(path, kind, module, ("forward", "backward"), ops), **tied}

    def _recorded(
        self, path: str, kind: str, module: Module, names: tuple[str, str], ops: Any = None
    ) -> dict[str, Function]:
        """Two methods of ``module`` by name, recorded as ``path``, calling ``ops`` by theirs."""
        methods = [getattr(module, name) for name in names]
        if ops:
            methods = [rebind(method, ops) for method in methods]
        return dict(zip(names, self.pair(path, kind, *methods), strict=True))

    def _ops(self, path: str, op: str, method: Any) -> dict[str, Function]:
        """``op_forward`` and ``op_backward``, as ``method`` would call them, recorded."""
        names = (f"{op}_forward", f"{op}_backward")
        pair = self.pair(path, op, *(method.__globals__[name] for name in names))
        return dict(zip(names, pair, strict=True))

    def _call(self, begun: _Begun, dy: Array, gradients: Any, backward_order: int) -> Call:
        several = gradients if isinstance(gradients, tuple) else (gradients,)
        inputs = {n: a for n, a in begun.inputs.items() if id(a) not in self._weights}
        real = [name for name, array in begun.inputs.items() if array.dtype.kind == "f"]
        dinputs = {
            name: gradient
            for name, gradient in zip(real, several, strict=False)
            if name in inputs and gradient is not None
        }
        known = {id(array) for array in (*inputs.values(), begun.output)} | self._weights
        internals = {
            name: value
            for name, value in fields(begun.cache)
            if isinstance(value, np.ndarray) and name not in inputs and id(value) not in known
        }
        if begun.kind == "attention" and "probs" in internals:
            internals |= _inside_attention(internals["probs"], inputs["v"], dy)
        return Call(
            path=begun.path,
            call=begun.number,
            kind=begun.kind,
            inputs=inputs,
            output=begun.output,
            dinputs=dinputs,
            doutput=dy,
            internals=internals,
            kept=begun.kept,
            forward_order=begun.order,
            backward_order=backward_order,
        )

    def _keep(self, cache: Any) -> dict[str, int]:
        """Bytes of the memory that ``cache`` holds and no call before it, by name.

        Children return before their parent, so their share is already theirs.
        """
        kept: dict[str, int] = {}
        for name, array in arrays(cache):
            whole = owner(array)
            if id(whole) not in self._owned:
                self._owned.add(id(whole))
                kept[name] = kept.get(name, 0) + whole.nbytes
        return kept


@contextmanager
def _gradients_set_aside(model: Module) -> Iterator[None]:
    """Parameters without a gradient, until the block ends and they have their former one again."""
    before = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        for parameter, _ in before:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient


def _inside_attention(probs: Array, v: Array, dy: Array) -> dict[str, Array]:
    """The gradients of probs and scores (B, N, T, S), which the op's backward overwrites."""
    dprobs = dy.swapaxes(1, 2) @ v.swapaxes(1, 2).mT
    dscores = probs * (dprobs - np.vecdot(dprobs, probs)[..., None])
    return {"dprobs": dprobs, "dscores": dscores}
