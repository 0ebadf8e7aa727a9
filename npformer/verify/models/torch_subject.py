"""A ``torch.nn.Module``, copied, in float64 where it works in float64."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from npformer.cards.case import Array
from npformer.errors import VerifyError
from npformer.verify.models.calls import Calls
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.replay import replayed
from npformer.verify.models.subject import STEP, Gradients, Run
from npformer.verify.models.torch_calls import array, watching

NAMES = ("logits", "last_hidden_state", "output", "out", "x")
"""Of what a model returns by name, the first of these."""
NARROW = (torch.float32, torch.bfloat16, torch.float16)


class TorchSubject:
    """A copy of a module: the caller's own keeps its mode, its parameters and its gradients.

    Raises VerifyError for a module that cannot be copied.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        call: Callable[..., Any] | None = None,
        batch_first: bool = True,
        wide: bool = True,
    ) -> None:
        try:
            self.module = copy.deepcopy(module)
        except Exception as error:
            raise VerifyError(
                f"{type(module).__name__} cannot be copied ({type(error).__name__}: {error}); give "
                "a function that builds it"
            ) from error
        self.name = type(module).__name__
        if wide:
            self.module.double()
        _move_constants(self.module)
        self._call = call
        self._batch_first = batch_first
        self._taken = inspect.signature(call or self.module.forward).parameters
        self._buffers = {name: b.clone() for name, b in self.module.named_buffers()}
        floats = [p.dtype for p in self.module.parameters() if p.is_floating_point()]
        self._floats = floats[0] if floats else torch.float64 if wide else torch.float32
        self._narrow = _Narrow(self._floats)
        self._backwards = 0
        own = next(iter(self.module.parameters()), None)
        self._device = torch.device("cpu") if own is None else own.device

    @property
    def dtype(self) -> str:
        """``float64``, and whether a part of it computes in float32 all the same."""
        name = str(self._floats).removeprefix("torch.")
        return f"{name}, in part float32" if self._narrow.seen else name

    @property
    def eps(self) -> float:
        """Of the narrowest dtype that was seen at work."""
        return torch.finfo(torch.float32 if self._narrow.seen else self._floats).eps

    def look_inside(self, inputs: Inputs) -> None:
        """Find out in which dtypes it computes, by one forward in evaluation."""
        with self._narrow:
            self.forward(inputs, 1)

    def forward(
        self,
        inputs: Inputs,
        seed: int,
        training: bool = False,
        more: Mapping[str, Any] | None = None,
    ) -> Run:
        """As ``Subject.forward``; raises VerifyError for an output that is no (B, T, ...)."""
        self._restore()
        self.module.train(training)
        leaves = {name: self._leaf(array) for name, array in inputs.items()}
        passed = {n: t if self._batch_first else t.transpose(0, 1) for n, t in leaves.items()}
        with replayed(seed), self._defaults(), self._looked_up(passed) as found:
            if self._call is not None:
                result = self._call(self.module, *passed.values(), **self._tensors(more))
            else:
                result = self.module(*passed.values(), **self._tensors(more))
        y = output(result)
        y = y if self._batch_first else y.transpose(0, 1)

        def backward(dy: Array) -> Gradients:
            if not y.requires_grad:
                return {}
            self._backwards += 1  # what a backward draws must not depend on when it runs
            for leaf in [*leaves.values(), *found.values()]:
                leaf.grad = None
            with replayed(10_000 + self._backwards), self._defaults():
                y.backward(torch.as_tensor(dy, dtype=y.dtype, device=y.device))
            given = {**leaves, **found}
            return {name: array(g) for name, t in given.items() if (g := t.grad) is not None}

        return Run(array(y), backward)

    def zero(self) -> None:
        """Forget the parameters' gradients."""
        self.module.zero_grad(set_to_none=True)

    def gradients(self) -> dict[str, Array | None]:
        """Of every trainable parameter; None where nothing reached it."""
        return {
            name: None if p.grad is None else array(p.grad)
            for name, p in self.module.named_parameters()
            if p.requires_grad
        }

    @contextmanager
    def moved(self, path: str, seed: int) -> Iterator[None]:
        """A slightly different value for one parameter."""
        parameter = dict(self.module.named_parameters())[path]
        before = parameter.detach().clone()
        draw = torch.randn(before.shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            parameter.add_(draw.to(before) * STEP * (0.1 + before.abs().mean()))
        try:
            yield
        finally:
            with torch.no_grad():
                parameter.copy_(before)

    def modules(self) -> Iterator[tuple[str, Any]]:
        """Path and module."""
        yield from self.module.named_modules()

    def takes(self, argument: str) -> bool:
        """Whether ``forward``, or the caller's own function, has it."""
        return argument in self._taken

    def load(self, other: torch.nn.Module) -> None:
        """Take another module's parameters; raises VerifyError if they are not the same ones."""
        try:
            self.module.load_state_dict(other.state_dict())
        except (RuntimeError, KeyError) as error:
            raise VerifyError(
                f"the two forms of {self.name} have not the same parameters: {error}"
            ) from error
        self._buffers = {name: b.clone() for name, b in self.module.named_buffers()}

    def stepper(self) -> Callable[[Inputs, int], Iterator[Array]] | None:
        """From ``start`` and ``step``, or from ``past_key_values`` with ``use_cache``."""
        if callable(getattr(self.module, "step", None)) and hasattr(self.module, "start"):
            return self._start_and_step
        if self.takes("past_key_values") and self.takes("use_cache"):
            return self._past
        return None

    def step_by(self, step: Callable[..., Any]) -> Callable[[Inputs, int], Iterator[Array]]:
        """From the caller's ``step(module, newest, state, *others) -> y, state``."""

        def walk(inputs: Inputs, seed: int) -> Iterator[Array]:
            target, others = self._split(inputs)
            state = None
            for new in _columns(target):
                with torch.no_grad(), replayed(seed), self._defaults():
                    y, state = step(self.module, new, state, *others)
                yield array(output(y) if not isinstance(y, torch.Tensor) else y)

        return walk

    def _start_and_step(self, inputs: Inputs, seed: int) -> Iterator[Array]:
        target, others = self._split(inputs)
        self.module.eval()
        with torch.no_grad(), replayed(seed), self._defaults():
            state: Any = self.module.start(*others)  # type: ignore[operator]
            for new in _columns(target):
                yield array(self.module.step(new[:, 0], state))  # type: ignore[operator]

    def _past(self, inputs: Inputs, seed: int) -> Iterator[Array]:
        target, others = self._split(inputs)
        self.module.eval()
        state = None
        for new in _columns(target):
            with torch.no_grad(), replayed(seed), self._defaults():
                result = self.module(*others, new, past_key_values=state, use_cache=True)
            state = result.past_key_values
            yield array(output(result))

    def _split(self, inputs: Inputs) -> tuple[Any, list[Any]]:
        """The last stream is the one that is written; the others are given whole."""
        self._restore()
        self.module.eval()
        *others, target = (self._leaf(array).detach() for array in inputs.values())
        return target, others

    def watching(self, calls: Calls) -> AbstractContextManager[None]:
        """Every call of every module is noted."""
        return watching(self.module, calls)

    def _leaf(self, array: Array) -> Any:
        tensor = torch.as_tensor(np.array(array), device=self._device)
        if tensor.is_floating_point():
            return tensor.to(self._floats).requires_grad_()
        return tensor

    def _tensors(self, more: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            name: torch.as_tensor(v, device=self._device) if isinstance(v, np.ndarray) else v
            for name, v in (more or {}).items()
        }

    def _restore(self) -> None:
        """Buffers as they were: running statistics are no part of a call's result."""
        for name, buffer in self.module.named_buffers():
            saved = self._buffers.get(name)
            if saved is not None and saved.shape == buffer.shape and not _equal(saved, buffer):
                with torch.no_grad():
                    buffer.copy_(saved)

    @contextmanager
    def _defaults(self) -> Iterator[None]:
        """Tables that a forward makes are of the model's dtype, too."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(self._floats)
        try:
            yield
        finally:
            torch.set_default_dtype(before)

    @contextmanager
    def _looked_up(self, passed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The vectors that the streams' ids look up, as the tables return them."""
        found: dict[str, Any] = {}

        def hook(module: Any, args: Any, result: Any) -> None:
            for name, ids in passed.items():
                whole = args and isinstance(args[0], torch.Tensor) and args[0].shape == ids.shape
                if whole and name not in found and result.requires_grad and _equal(args[0], ids):
                    result.retain_grad()
                    found[name] = result

        tables = [m for m in self.module.modules() if isinstance(m, torch.nn.Embedding)]
        handles = [table.register_forward_hook(hook) for table in tables]
        try:
            yield found
        finally:
            for handle in handles:
                handle.remove()


class _Narrow(TorchDispatchMode):
    """Whether an operation of a float64 model gives a narrower float."""

    def __init__(self, floats: torch.dtype) -> None:
        super().__init__()
        self._wide = floats is torch.float64
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._wide and isinstance(result, torch.Tensor) and result.dtype in NARROW:
            self.seen = True
        return result


def output(result: Any) -> Any:
    """The tensor (B, T, ...) of what a module returns; raises VerifyError if there is none."""
    if isinstance(result, torch.Tensor):
        return result
    if isinstance(result, Mapping):
        named = [result[n] for n in NAMES if n in result]
        parts = [*named, *result.values()]
    elif isinstance(result, tuple | list):
        parts = list(result)
    else:
        parts = [getattr(result, n) for n in NAMES if hasattr(result, n)]
    for part in parts:
        if isinstance(part, torch.Tensor) and part.is_floating_point() and part.ndim >= 2:
            return part
    raise VerifyError(
        f"the module returns a {type(result).__name__} without a tensor (batch, length, ...); give "
        "call=, a function (module, *inputs) that returns one"
    )


def _columns(target: Any) -> Iterator[Any]:
    for t in range(target.shape[1]):
        yield target[:, t : t + 1]


def _equal(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))


def _move_constants(module: torch.nn.Module) -> None:
    """Parameters that begin at one value hide what they multiply; they get others."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            if p.is_floating_point() and p.numel() and bool((p == p.flatten()[0]).all()):
                p.add_(0.1 * torch.randn(p.shape, generator=draw).to(p))
