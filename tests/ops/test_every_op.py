"""The contract that all ops share: pure, any strides, read-only, dtype kept, no rows needed."""

from __future__ import annotations

import ast
import functools
import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest

from npformer import ops
from npformer.ops import Array


class Case(NamedTuple):
    forward: Callable[..., tuple[Array, Any]]
    backward: Callable[..., Any]
    inputs: Callable[[int, np.random.Generator], list[Array]]
    gradients: tuple[int, ...]
    """Which of the inputs get one, in the order of the backward's answer."""


def normal(*shape: int) -> Callable[[int, np.random.Generator], list[Array]]:
    return lambda b, rng: [rng.standard_normal((b, *shape))]


def attention_inputs(b: int, rng: np.random.Generator) -> list[Array]:
    q, k, v = (rng.standard_normal((b, length, 2, size)) for length, size in
               ((3, 4), (5, 4), (5, 6)))  # fmt: skip
    return [q, k, v, rng.random((b, 1, 3, 5)) < 0.6]


def dropout(x: Array) -> tuple[Array, Any]:
    return ops.dropout_forward(x, 0.3, np.random.default_rng(0))


CASES = {
    "linear": Case(
        ops.linear_forward,
        ops.linear_backward,
        lambda b, rng: [rng.standard_normal(s) for s in ((b, 3, 4), (5, 4), (5,))],
        (0, 1, 2),
    ),
    "embedding": Case(
        ops.embedding_forward,
        ops.embedding_backward,
        lambda b, rng: [rng.integers(0, 6, (b, 3)), rng.standard_normal((6, 4))],
        (1,),
    ),
    "softmax": Case(ops.softmax_forward, ops.softmax_backward, normal(3, 4), (0,)),
    "softmax_axis_1": Case(
        lambda x: ops.softmax_forward(x, axis=1), ops.softmax_backward, normal(3, 4), (0,)
    ),
    "log_softmax": Case(ops.log_softmax_forward, ops.log_softmax_backward, normal(3, 4), (0,)),
    "log_softmax_axis_1": Case(
        lambda x: ops.log_softmax_forward(x, axis=1), ops.log_softmax_backward, normal(3, 4), (0,)
    ),
    "attention": Case(ops.attention_forward, ops.attention_backward, attention_inputs, (0, 1, 2)),
    "layer_norm": Case(
        ops.layer_norm_forward,
        ops.layer_norm_backward,
        lambda b, rng: [rng.standard_normal(s) for s in ((b, 3, 5), (5,), (5,))],
        (0, 1, 2),
    ),
    "relu": Case(ops.relu_forward, ops.relu_backward, normal(3, 4), (0,)),
    "gelu": Case(ops.gelu_forward, ops.gelu_backward, normal(3, 4), (0,)),
    "gelu_tanh": Case(
        lambda x: ops.gelu_forward(x, approximate="tanh"),
        ops.gelu_backward,
        normal(3, 4),
        (0,),
    ),
    "silu": Case(ops.silu_forward, ops.silu_backward, normal(3, 4), (0,)),
    "dropout": Case(dropout, ops.dropout_backward, normal(3, 4), (0,)),
    "cross_entropy": Case(
        lambda logits, targets, weight: ops.cross_entropy_forward(
            logits, targets, weight=weight, label_smoothing=0.1, ignore_index=2
        ),
        ops.cross_entropy_backward,
        lambda b, rng: [rng.standard_normal((b, 3, 6)), rng.integers(0, 6, (b, 3)), rng.random(6)],
        (0,),
    ),
}

every_op = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def cast(arrays: list[Array], dtype: type) -> list[Array]:
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def gradients_of(case: Case, dy: Array, cache: Any) -> list[Array]:
    answer = case.backward(dy, cache)
    return list(answer) if isinstance(answer, tuple) else [answer]


def run(case: Case, arrays: list[Array]) -> tuple[Array, list[Array], Array]:
    """y, the gradients, and the upstream gradient that was drawn for them."""
    y, cache = case.forward(*arrays)
    dy = np.asarray(np.random.default_rng(7).standard_normal(y.shape), y.dtype)
    dy.flags.writeable = False
    return y, gradients_of(case, dy, cache), dy


def test_every_op_has_a_case():
    forwards = {name.removesuffix("_forward") for name in ops.__all__ if name.endswith("_forward")}
    assert forwards <= CASES.keys()


@every_op
@every_dtype
def test_dtype_and_shapes_are_kept(case, dtype):
    arrays = cast(case.inputs(2, np.random.default_rng(0)), dtype)
    y, gradients, _ = run(case, arrays)
    assert y.dtype == dtype
    assert [g.dtype for g in gradients] == [dtype] * len(case.gradients)
    assert [g.shape for g in gradients] == [arrays[i].shape for i in case.gradients]


@every_op
def test_the_cache_holds_no_other_precision(case):
    """A float64 scalar array in the cache would promote a float32 backward without a word."""
    _, cache = case.forward(*cast(case.inputs(2, np.random.default_rng(0)), np.float32))
    for value in cache:
        if hasattr(value, "dtype") and value.dtype.kind == "f":
            assert value.dtype == np.float32


@every_op
def test_inputs_may_be_read_only_and_are_left_alone(case):
    arrays = case.inputs(2, np.random.default_rng(0))
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    y, _, dy = run(case, arrays)
    assert y.shape == dy.shape
    for was, now in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(was, now)


@every_op
def test_the_backward_may_run_twice(case):
    y, cache = case.forward(*case.inputs(2, np.random.default_rng(0)))
    dy = np.random.default_rng(7).standard_normal(y.shape)
    twice = gradients_of(case, dy, cache), gradients_of(case, dy, cache)
    for first, second in zip(*twice, strict=True):
        np.testing.assert_array_equal(first, second)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "broadcast": lambda a: np.broadcast_to(a, a.shape),
    "offset": lambda a: np.pad(a, 1)[tuple(slice(1, -1) for _ in a.shape)],
}


@every_op
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_strides_give_the_same_answer(case, layout):
    arrays = case.inputs(3, np.random.default_rng(0))
    y, gradients, _ = run(case, arrays)
    y_strided, gradients_strided, _ = run(case, [layout(a) for a in arrays])
    np.testing.assert_allclose(y_strided, y, rtol=1e-13, atol=1e-14)
    for strided, plain in zip(gradients_strided, gradients, strict=True):
        np.testing.assert_allclose(strided, plain, rtol=1e-13, atol=1e-14)


@every_op
@every_dtype
def test_no_rows_at_all(case, dtype):
    """Parameters still get a gradient, of zeros; a mean over nothing is 0."""
    arrays = cast(case.inputs(0, np.random.default_rng(0)), dtype)
    y, gradients, _ = run(case, arrays)
    assert y.size == 0 or y == 0
    for i, gradient in zip(case.gradients, gradients, strict=True):
        assert gradient.shape == arrays[i].shape
        assert gradient.dtype == dtype
        assert not gradient.any()


@every_op
@pytest.mark.parametrize("magnitude", [1e-45, 1e-38, 1e-20, 1.0, 1e10, 1e19, 1e30])
def test_no_finite_input_warns(case, magnitude):
    """Warnings are errors in these tests, so this fails if one escapes; see ``silent``."""
    arrays = cast(case.inputs(2, np.random.default_rng(0)), np.float32)
    arrays = [a * np.float32(magnitude) if a.dtype.kind == "f" else a for a in arrays]
    y, cache = case.forward(*arrays)
    with np.errstate(all="raise"):
        again, _ = case.forward(*arrays)
        case.backward(np.full(y.shape, 3e30, np.float32), cache)
    np.testing.assert_array_equal(again, y)


def op_modules() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(ops.__path__)]


@pytest.mark.parametrize("name", op_modules())
def test_every_field_of_a_cache_says_what_it_holds(name):
    """An array in a cache without its shape would hide what a backward keeps in memory."""
    module = import_module(f"npformer.ops.{name}")
    lines = inspect.getsource(module).splitlines()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.AnnAssign) and "Array" in ast.unparse(node.annotation):
            assert "#" in lines[node.lineno - 1], f"{name}: {lines[node.lineno - 1].strip()}"


@pytest.mark.parametrize("gelu", ["none", "tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_activation_takes_a_number_without_axes(dtype, gelu):
    """What it gives is what it gives for the same number in a row of one."""
    x, dy = np.asarray(-1.3, dtype), np.asarray(0.7, dtype)
    for forward, backward in (
        (ops.relu_forward, ops.relu_backward),
        (ops.silu_forward, ops.silu_backward),
        (functools.partial(ops.gelu_forward, approximate=gelu), ops.gelu_backward),
    ):
        y, cache = forward(x)
        dx = backward(dy, cache)
        y_row, cache_row = forward(x[None])
        assert np.shape(y) == np.shape(dx) == ()
        assert y == y_row[0]
        assert dx == backward(dy[None], cache_row)[0]
        assert np.asarray(dx).dtype == dtype
