"""Arrays of other engines, by the array API standard: whose a function takes, there and back.

A function does not say what arrays it takes, but what it refers to does: a global ``jnp``, an array
that it encloses, an attribute of its object. No engine is imported here: one that a function of the
caller's needs, the caller has imported.

Source      array API standard 2024.12, ``__array_namespace__``, ``from_dlpack``, ``asarray``
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

DEPTH = 5
"""How far what a function refers to is followed."""
MOST = 500
"""Values looked at."""
OURS = ("numpy", "torch", "npformer")
"""Packages whose arrays other subjects take."""


class Foreign(Exception):
    """A function of NumPy arrays returned an array of another engine."""

    def __init__(self, namespace: ModuleType) -> None:
        super().__init__(f"it returned an array of {namespace.__name__}")
        self.engine = Engine(namespace)


@dataclass(frozen=True)
class Engine:
    """A namespace of array functions; NumPy itself where it is None."""

    xp: ModuleType | None = None

    def __str__(self) -> str:
        return "NumPy" if self.xp is None else self.xp.__name__

    @property
    def is_jax(self) -> bool:
        return self.xp is not None and _root(self.xp.__name__) == "jax"

    @property
    def single_precision(self) -> bool:
        """Whether it is JAX without ``jax_enable_x64``, where float64 becomes float32."""
        return self.is_jax and not sys.modules["jax"].config.jax_enable_x64

    def given(self, value: Any) -> Any:
        """An array of NumPy's as this engine's; anything else, and lists' members, as they are."""
        if self.xp is None:
            return value
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.given, value))
        if not isinstance(value, np.ndarray):
            return value
        if self.is_jax:  # through DLPack it would stay on the CPU, and in a dtype that JAX lacks
            return self.xp.asarray(np.ascontiguousarray(value).reshape(value.shape), copy=True)
        try:
            made = self.xp.from_dlpack(value)
            if tuple(made.shape) == value.shape:
                return made
        except Exception:  # read-only, strides or a dtype that it does not take
            pass
        return self.xp.asarray(value)

    def numpy(self, value: Any) -> Any:
        """What the engine returned, tuples, lists and dictionaries too, with NumPy's arrays.

        Raises ``Foreign`` where NumPy's were expected, and it is another engine's.
        """
        if isinstance(value, dict):
            return {key: self.numpy(part) for key, part in value.items()}
        if isinstance(value, (tuple, list)):
            return tuple(map(self.numpy, value))
        if not is_foreign(value):
            return value
        if self.xp is None:
            raise Foreign(value.__array_namespace__())
        return to_numpy(value)

    def holding(self, dtype: np.dtype) -> AbstractContextManager[Any]:
        """Within it there are arrays of this dtype: of float64 in JAX, too."""
        if self.single_precision and np.dtype(dtype).itemsize > 4:
            return double_precision()
        return contextlib.nullcontext()


NUMPY = Engine()


def double_precision() -> AbstractContextManager[Any]:
    """JAX has float64 inside, in this thread."""
    jax: Any = sys.modules["jax"]
    if hasattr(jax, "enable_x64"):
        within: AbstractContextManager[Any] = jax.enable_x64(True)
        return within
    before: Any = importlib.import_module("jax.experimental")  # 0.8
    older: AbstractContextManager[Any] = before.enable_x64()
    return older


def is_foreign(value: Any) -> bool:
    """Whether it is an array that is neither NumPy's nor PyTorch's."""
    known = isinstance(value, (np.ndarray, np.generic)) or _root(type(value).__module__) == "torch"
    return not known and hasattr(type(value), "__array_namespace__")


def to_numpy(array: Any) -> np.ndarray:
    """Another engine's array, from wherever it is."""
    try:
        return np.from_dlpack(array, device="cpu")
    except Exception:  # a dtype, or a device, that DLPack does not bring over
        return np.asarray(array)


def engines_of(given: Any) -> list[Engine]:
    """Those whose arrays a function, a pair or an object may take, likeliest first."""
    found: dict[str, ModuleType] = {}
    seen: set[int] = set()
    queue = [(given, 0)]
    while queue and len(seen) < MOST:
        value, depth = queue.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if (xp := _namespace(value)) is not None:
            found.setdefault(xp.__name__, xp)
        elif depth < DEPTH:
            queue += [(part, depth + 1) for part in _referred(value)]
    return [Engine(xp) for xp in found.values()]


def is_of_jax(given: Any) -> bool:
    """Whether it is one of JAX's own kinds: a ``custom_vjp``, or wrapped in ``jit``."""
    while isinstance(given, functools.partial):
        given = given.func
    return _root(type(given).__module__) in ("jax", "jaxlib")


def _namespace(value: Any) -> ModuleType | None:
    """The array functions that a value belongs to."""
    if is_foreign(value):
        found: ModuleType = value.__array_namespace__()
        return found
    if isinstance(value, ModuleType):
        names = [value.__name__]
    else:
        own = getattr(value, "__module__", None)
        # Of a function that a decorator wrapped, the decorator's.
        code_of = getattr(value, "__globals__", {}).get("__name__")
        names = [n for n in (type(value).__module__, own, code_of) if isinstance(n, str)]
    for name in names:
        if _root(name) in ("jax", "jaxlib"):
            return sys.modules.get("jax.numpy")
        for module in (sys.modules.get(name), sys.modules.get(_root(name))):
            if module is not None and _has_arrays(module):
                return module
    return None


def _has_arrays(module: ModuleType) -> bool:
    own = _root(module.__name__) in OURS
    return not own and all(callable(getattr(module, n, None)) for n in ("asarray", "from_dlpack"))


def _referred(value: Any) -> Iterator[Any]:
    """What a value is made of, as far as it may say whose arrays are meant."""
    if isinstance(value, (tuple, list)):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, FunctionType):
        if _root(value.__module__ or "") in OURS:
            return
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # it is not filled yet
                yield cell.cell_contents
        yield from (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values())
        for name in _names(value.__code__):
            if name in value.__globals__:
                yield value.__globals__[name]
            elif name in sys.modules:  # it is imported inside
                yield sys.modules[name]
    elif hasattr(value, "function") and hasattr(value, "vjp"):
        yield from (value.function, value.vjp)
    elif not isinstance(value, (type, ModuleType)) and _root(type(value).__module__) not in OURS:
        yield from vars(value).values() if hasattr(value, "__dict__") else ()
    if (wrapped := inspect.getattr_static(value, "__wrapped__", None)) is not None:
        yield wrapped


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _root(name: str) -> str:
    return name.partition(".")[0]
