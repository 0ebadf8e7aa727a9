"""A module of NumPy arrays, ``y, cache = forward(...)`` and ``backward(dy, cache)``, copied."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from npformer import seam
from npformer.cards.case import Array
from npformer.errors import VerifyError
from npformer.verify.models.calls import Calls, ModuleCall
from npformer.verify.models.inputs import Inputs
from npformer.verify.models.subject import STEP, Gradients, Run


class NumpySubject:
    """A copy of a module; parameters have ``data``, ``grad`` and, if they like, ``trainable``.

    Raises VerifyError for a module that cannot be copied.
    """

    def __init__(
        self, module: Any, *, call: Callable[..., Any] | None = None, wide: bool = True
    ) -> None:
        self.name = type(module).__name__
        try:
            self.module = copy.deepcopy(module)
        except Exception as error:
            raise VerifyError(
                f"{self.name} cannot be copied ({type(error).__name__}: {error}); give a function "
                "that builds it"
            ) from error
        self._call = call
        self._taken = inspect.signature(call or self.module.forward).parameters
        draw = np.random.default_rng(0)
        for parameter in self.parameters().values():
            if wide:
                parameter.data = parameter.data.astype(np.float64)
            if parameter.data.size and (parameter.data == parameter.data.flat[0]).all():
                noise = 0.1 * draw.standard_normal(parameter.data.shape)
                parameter.data = (parameter.data + noise).astype(parameter.data.dtype)
            parameter.grad = None
        kinds = {p.data.dtype for p in self.parameters().values()}
        floats = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
        self.dtype = floats.name
        self._floats = floats
        self.eps = float(np.finfo(floats).eps)

    def look_inside(self, inputs: Inputs) -> None:
        """Nothing to find out: NumPy computes in the dtype of what it is given."""

    def parameters(self) -> dict[str, Any]:
        """By path; none for a module that does not name its parameters."""
        named = getattr(self.module, "named_parameters", None)
        return {} if named is None else dict(named())

    def forward(
        self,
        inputs: Inputs,
        seed: int,
        training: bool = False,
        more: Mapping[str, Any] | None = None,
    ) -> Run:
        """As ``Subject.forward``; raises VerifyError for an output that is no array."""
        keywords = dict(more or {})
        if training and "rng" in self._taken:
            keywords["rng"] = np.random.default_rng(seed)
        arrays = {
            name: a.astype(self._floats) if a.dtype.kind == "f" else a for name, a in inputs.items()
        }
        looked: dict[str, Any] = {}
        with seam.watching(_looked_up(arrays, looked)):
            if self._call is not None:
                result = self._call(self.module, *arrays.values(), **keywords)
            else:
                result = self.module.forward(*arrays.values(), **keywords)
        paired = isinstance(result, tuple) and len(result) == 2
        y, cache = result if paired else (result, None)
        if not isinstance(y, np.ndarray):
            raise VerifyError(
                f"{self.name}.forward returns a {type(y).__name__}; it must return y, cache, where "
                "y is an array (batch, length, ...)"
            )

        def backward(dy: Array) -> Gradients:
            arrived: dict[str, Array] = {}
            dy = dy.astype(y.dtype)
            with seam.watching(_handed_back(looked, arrived)):
                if callable(cache):
                    given = cache(dy)
                else:
                    given = self.module.backward(*((dy, cache) if paired else (dy,)))
            floats = [name for name, a in arrays.items() if a.dtype.kind == "f"]
            several = given if isinstance(given, tuple) else (given,)
            real = [g for g in several if isinstance(g, np.ndarray)]
            return {**arrived, **dict(zip(floats, real, strict=False))}

        return Run(y, backward)

    def zero(self) -> None:
        """Forget the parameters' gradients."""
        for parameter in self.parameters().values():
            parameter.grad = None

    def gradients(self) -> dict[str, Array | None]:
        """Of every trainable parameter; None where nothing reached it."""
        return {
            path: None if p.grad is None else p.grad.copy()
            for path, p in self.parameters().items()
            if getattr(p, "trainable", True)
        }

    @contextmanager
    def moved(self, path: str, seed: int) -> Iterator[None]:
        """A slightly different value for one parameter."""
        parameter = self.parameters()[path]
        before = parameter.data.copy()
        draw = np.random.default_rng(seed).standard_normal(before.shape)
        parameter.data += (draw * STEP * (0.1 + np.abs(before).mean())).astype(before.dtype)
        try:
            yield
        finally:
            parameter.data[...] = before

    def modules(self) -> Iterator[tuple[str, Any]]:
        """Path and module; the module alone, if it does not name those below it."""
        named = getattr(self.module, "named_modules", None)
        yield from [("", self.module)] if named is None else named()

    def takes(self, argument: str) -> bool:
        """Whether ``forward``, or the caller's own function, has it."""
        return argument in self._taken

    def load(self, other: Any) -> None:
        """Take another module's parameters; raises VerifyError if they are not the same ones."""
        own, given = self.parameters(), dict(other.named_parameters())
        if {n: p.data.shape for n, p in own.items()} != {n: p.data.shape for n, p in given.items()}:
            raise VerifyError(f"the two forms of {self.name} have not the same parameters")
        for path, parameter in own.items():
            parameter.data = given[path].data.astype(parameter.data.dtype)

    def stepper(self) -> Callable[[Inputs, int], Iterator[Array]] | None:
        """From ``start`` and ``step``."""
        if callable(getattr(self.module, "step", None)) and hasattr(self.module, "start"):
            return self._start_and_step
        return None

    def step_by(self, step: Callable[..., Any]) -> Callable[[Inputs, int], Iterator[Array]]:
        """From the caller's ``step(module, newest, state, *others) -> y, state``."""

        def walk(inputs: Inputs, seed: int) -> Iterator[Array]:
            *others, target = inputs.values()
            state = None
            for t in range(target.shape[1]):
                y, state = step(self.module, target[:, t : t + 1], state, *others)
                yield y

        return walk

    def _start_and_step(self, inputs: Inputs, seed: int) -> Iterator[Array]:
        *others, target = inputs.values()
        state = self.module.start(*others)
        for t in range(target.shape[1]):
            yield self.module.step(target[:, t], state)

    @contextmanager
    def watching(self, calls: Calls) -> Iterator[None]:
        """Through the seam, which modules of ``npformer.nn.Module`` have."""
        paths = {id(module): path for path, module in self.modules()}
        owned = {id(p): name for name, p in self.parameters().items()}
        begun: dict[tuple[str, int], list[ModuleCall]] = {}
        kept: list[Any] = []  # a cache that is forgotten could give its id to another

        def observer(call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
            path = paths.get(id(call.owner))
            if call.owner is None or path is None or call.name.startswith("_"):
                return run(*args, **kwargs)
            if call.is_backward:
                seen = begun.get((path, id(args[1])), []) if len(args) > 1 else []
                result = run(*args, **kwargs)
                if seen:
                    noted = seen.pop()
                    noted.dy = [
                        dy if isinstance(dy, np.ndarray) else None for dy in _several(args[0])
                    ]
                    noted.dx = _each_inputs(noted.inputs, _arrays(result))
                    calls.backwards.append(noted)
                return result
            own = tuple(owned[id(v)] for v in vars(call.owner).values() if id(v) in owned)
            noted = calls.begin(path, type(call.owner).__name__, own)
            noted.inputs = _arrays((*args, *kwargs.values()))
            result = run(*args, **kwargs)
            noted.outputs = _arrays(result[0] if isinstance(result, tuple) else result)
            if isinstance(result, tuple) and len(result) == 2:
                begun.setdefault((path, id(result[1])), []).append(noted)
                kept.append(result[1])
            calls.ended.append(noted)
            return result

        with seam.watching(observer):
            yield


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)


def _arrays(value: Any) -> list[Array]:
    return [np.array(v) for v in _several(value) if isinstance(v, np.ndarray)]


def _each_inputs(inputs: list[Array], returned: list[Array]) -> list[Array | None]:
    """What a backward returned, by the inputs of those shapes, in their order."""
    left = list(returned)
    return [left.pop(0) if left and left[0].shape == a.shape else None for a in inputs]


def _looked_up(arrays: Inputs, found: dict[str, Any]) -> Any:
    """Which module is the first to read each stream's ids, and what cache it returns."""

    def observer(call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        result = run(*args, **kwargs)
        if call.owner is not None and not call.is_backward and isinstance(result, tuple):
            for name, ids in arrays.items():
                reads = any(a is ids for a in args) and ids.dtype.kind in "iu"
                if reads and name not in found and result[0].shape[:2] == ids.shape:
                    found[name] = (call.owner, result[1])
        return result

    return observer


def _handed_back(looked: dict[str, Any], arrived: dict[str, Array]) -> Any:
    """The gradient that the same module gets with the same cache."""

    def observer(call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        if call.owner is not None and call.is_backward and len(args) == 2:
            for name, (owner, cache) in looked.items():
                if owner is call.owner and args[1] is cache:
                    arrived[name] = np.array(args[0])
        return run(*args, **kwargs)

    return observer
