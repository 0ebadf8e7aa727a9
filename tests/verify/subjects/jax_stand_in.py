"""As much of JAX as ``check`` asks for, where there is none: arrays, ``custom_vjp`` and ``vjp``.

Arrays are immutable and, unless ``jax_enable_x64`` is on, of float32. Only a function that is one
call of a ``custom_vjp`` has a gradient.
"""

from __future__ import annotations

import contextlib
import functools
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

jax, jnp = ModuleType("jax"), ModuleType("jax.numpy")
jax.numpy = jnp
jax.config = SimpleNamespace(jax_enable_x64=False)
jax.config.update = functools.partial(setattr, jax.config)
jax.jit = lambda function: function
jax.disable_jit = contextlib.nullcontext


@contextlib.contextmanager
def enable_x64(on):
    before, jax.config.jax_enable_x64 = jax.config.jax_enable_x64, on
    yield
    jax.config.jax_enable_x64 = before


jax.enable_x64 = enable_x64


class Array(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, value: Any, dtype: Any = None) -> None:
        self.value = np.array(value, dtype)
        if self.value.dtype == np.float64 and not jax.config.jax_enable_x64:
            self.value = self.value.astype(np.float32)
        self.value.flags.writeable = False
        self.shape, self.dtype = self.value.shape, self.value.dtype

    def __array_namespace__(self, api_version=None):
        return jnp

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return Array(getattr(ufunc, method)(*(getattr(a, "value", a) for a in inputs), **options))

    def __getitem__(self, index):
        return Array(self.value[index])

    def __repr__(self):
        return str(self.value)

    T = property(lambda self: Array(self.value.T))

    def sum(self, *args, **options):
        return Array(self.value.sum(*args, **options))

    def max(self, *args, **options):
        return Array(self.value.max(*args, **options))


Array.__module__ = "jax"
jnp.asarray = lambda value, dtype=None, copy=None: Array(value, dtype)
jnp.exp = np.exp
jnp.float32, jnp.float64 = np.float32, np.float64
CALLS: list[tuple[Any, Any, Any, Any]] = []


class custom_vjp:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.fun, self.fwd, self.bwd = function, None, None

    def defvjp(self, fwd, bwd):
        self.fwd, self.bwd = fwd, bwd

    def __call__(self, *arrays):
        y, kept = self.fwd(*arrays) if self.fwd else (self.fun(*arrays), None)
        CALLS.append((self, arrays, y, kept))
        return y


custom_vjp.__module__ = "jax"
jax.custom_vjp = custom_vjp


def vjp(function, *inputs):
    CALLS.clear()
    y = function(*inputs)
    call, arrays, _, kept = CALLS[-1]

    def pull(dy):
        (upstream,) = dy.values() if isinstance(dy, dict) else (dy,)
        found = call.bwd(kept, upstream)
        for array, gradient in zip(arrays, found, strict=True):
            if array.shape != gradient.shape:
                raise TypeError(f"the bwd rule gives {gradient.shape}\nfor {array.shape}")
        if not isinstance(inputs[0], dict):
            return found
        return ({n: found[[id(a) for a in arrays].index(id(x))] for n, x in inputs[0].items()},)

    return y, pull


jax.vjp = vjp
