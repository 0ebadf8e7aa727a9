"""A component's hand-written pair as a function of PyTorch's or JAX's autograd.

So a rival tester judges the same NumPy code: its function calls the forward, and its derivative the
backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case
from npformer.verify.component import Component


def forward(of: Component, case: Case, inputs: tuple[Array, ...]) -> Array:
    """y for other values of the case's inputs, in their order."""
    return np.array(of.forward(_with(case, inputs)))


def gradients(of: Component, case: Case, inputs: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    """The backward's gradient of every input, for the upstream gradient ``dy``."""
    inside = _with(case, inputs)
    result = of.run(Case(inside.inputs, inside.static, np.array(dy)))
    found = (result.get(f"d{name}", result.get(f"grad {name}")) for name in case.inputs)
    return tuple(np.array(g) for g in found)


def _with(case: Case, inputs: tuple[Array, ...]) -> Case:
    copies = (np.array(a) for a in inputs)  # a wrong version may write to them
    return case.with_inputs(dict(zip(case.inputs, copies, strict=True)))


def as_torch(of: Component, case: Case) -> Callable[..., Any]:
    """A ``torch.autograd.Function`` of the case's inputs."""
    import torch

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            return torch.from_numpy(forward(of, case, tuple(a.numpy() for a in inputs)))

        @staticmethod
        def backward(ctx: Any, *dy: Any) -> Any:
            inputs = tuple(a.numpy() for a in ctx.saved_tensors)
            return tuple(map(torch.from_numpy, gradients(of, case, inputs, dy[0].numpy())))

    return Pair.apply


def as_jax(of: Component, case: Case) -> Callable[..., Any]:
    """A ``jax.custom_vjp`` of the case's inputs; float64 must be enabled."""
    import jax

    y = jax.ShapeDtypeStruct(case.dy.shape, case.dy.dtype)
    shapes = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in case.inputs.values())

    def call(*inputs: Any) -> Any:
        return jax.pure_callback(lambda *a: forward(of, case, _arrays(a)), y, *inputs)

    def call_back(inputs: Any, dy: Any) -> Any:
        def run(dy: Any, *a: Any) -> Any:
            return gradients(of, case, _arrays(a), np.asarray(dy))

        return jax.pure_callback(run, shapes, dy, *inputs)

    function = jax.custom_vjp(call)
    function.defvjp(lambda *inputs: (call(*inputs), inputs), call_back)
    return function


def _arrays(inputs: tuple[Any, ...]) -> tuple[Array, ...]:
    return tuple(np.asarray(a) for a in inputs)
