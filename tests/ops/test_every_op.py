"""The contract that all ops share: pure, any strides, read-only, dtype kept, no rows needed."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from npformer import ops
from npformer.cards.case import live
from npformer.cards.discovery import op_cards
from npformer.cards.op_card import OpCard
from npformer.ops import Array


@dataclasses.dataclass(frozen=True)
class Case:
    """An op with one of the variants of its card's example."""

    card: OpCard
    which: int

    def arrays(
        self, rows: int, dtype: type = np.float64
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Inputs that get a gradient, and static arguments; an array may be among those too."""
        inputs, static = self.card.examples(rows, np.random.default_rng(0))[self.which]
        return cast(inputs, dtype), cast(static, dtype)

    def forward(self, inputs: dict[str, Array], static: dict[str, Any]) -> tuple[Array, Any]:
        return self.card.pair[0](**inputs, **live(static))

    def backward(self, dy: Array, cache: Any) -> list[Array]:
        answer = self.card.pair[1](dy, cache)
        return list(answer) if isinstance(answer, tuple) else [answer]


def cast(arguments: dict[str, Any], dtype: type) -> dict[str, Any]:
    return {n: a.astype(dtype) if real(a) else a for n, a in arguments.items()}


def real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def each_array(change: Callable[[Array], Array], arguments: dict[str, Any]) -> dict[str, Any]:
    return {n: change(a) if isinstance(a, np.ndarray) else a for n, a in arguments.items()}


CASES = {
    f"{card.name} {variant or ''}".strip(): Case(card, which)
    for card in op_cards()
    for which, variant in enumerate(({}, *card.variants))
}

every_op = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def run(case: Case, inputs: Any, static: Any) -> tuple[Array, list[Array], Array]:
    """y, the gradients, and the upstream gradient that was drawn for them."""
    y, cache = case.forward(inputs, static)
    dy = np.asarray(np.random.default_rng(7).standard_normal(y.shape), y.dtype)
    dy.flags.writeable = False
    return y, case.backward(dy, cache), dy


@every_op
@every_dtype
def test_dtype_and_shapes_are_kept(case, dtype):
    inputs, static = case.arrays(2, dtype)
    y, gradients, _ = run(case, inputs, static)
    assert y.dtype == dtype
    assert [g.dtype for g in gradients] == [dtype] * len(inputs)
    assert [g.shape for g in gradients] == [a.shape for a in inputs.values()]


@every_op
def test_the_cache_holds_no_other_precision(case):
    """A float64 scalar array in the cache would promote a float32 backward without a word."""
    _, cache = case.forward(*case.arrays(2, np.float32))
    for value in cache:
        if hasattr(value, "dtype") and value.dtype.kind == "f":
            assert value.dtype == np.float32


@every_op
def test_inputs_may_be_read_only_and_are_left_alone(case):
    inputs, static = case.arrays(2)
    arrays = [a for a in (*inputs.values(), *static.values()) if isinstance(a, np.ndarray)]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    y, _, dy = run(case, inputs, static)
    assert y.shape == dy.shape
    for was, now in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(was, now)


@every_op
def test_the_backward_may_run_twice(case):
    y, cache = case.forward(*case.arrays(2))
    dy = np.random.default_rng(7).standard_normal(y.shape)
    twice = case.backward(dy, cache), case.backward(dy, cache)
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
    arrays = case.arrays(3)
    y, gradients, _ = run(case, *arrays)
    y_strided, gradients_strided, _ = run(case, *(each_array(layout, a) for a in arrays))
    np.testing.assert_allclose(y_strided, y, rtol=1e-13, atol=1e-14)
    for strided, plain in zip(gradients_strided, gradients, strict=True):
        np.testing.assert_allclose(strided, plain, rtol=1e-13, atol=1e-14)


@every_op
@every_dtype
def test_no_rows_at_all(case, dtype):
    """Parameters still get a gradient, of zeros; a mean over nothing is 0."""
    inputs, static = case.arrays(0, dtype)
    y, gradients, _ = run(case, inputs, static)
    assert y.size == 0 or y == 0
    for a, gradient in zip(inputs.values(), gradients, strict=True):
        assert gradient.shape == a.shape
        assert gradient.dtype == dtype
        assert not gradient.any()


@every_op
@pytest.mark.parametrize("magnitude", [1e-45, 1e-38, 1e-20, 1.0, 1e10, 1e19, 1e30])
def test_no_finite_input_warns(case, magnitude):
    """Warnings are errors in these tests, so this fails if one escapes; see ``silent``."""

    def scaled(arguments: dict[str, Any]) -> dict[str, Any]:
        return each_array(lambda a: a * np.float32(magnitude) if real(a) else a, arguments)

    inputs, static = (scaled(a) for a in case.arrays(2, np.float32))
    y, cache = case.forward(inputs, static)
    with np.errstate(all="raise"):
        again, _ = case.forward(inputs, static)
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
