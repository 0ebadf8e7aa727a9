"""Arrays of another engine than NumPy and PyTorch."""

from __future__ import annotations

import contextlib
import io
import types

import array_api_strict as xp
import numpy as np
import pytest
import torch

from npformer.cards.values import LAYOUTS, in_layout
from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from npformer.verify.subjects.engines import NUMPY, Engine, engines_of, to_numpy
from tests.verify.subjects import strict

STRICT = Engine(xp)


def printed(result) -> float:
    """The number that the code of a failure prints."""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(result.failure.reproduce, {})
    return float(shown.getvalue().removeprefix("Array(").partition(",")[0])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32", "bool"])
def test_there_and_back(layout, dtype):
    array = in_layout(np.arange(6).reshape(2, 3).astype(dtype), layout)
    made = STRICT.given(array)
    assert type(made) is type(xp.asarray(1.0))
    back = STRICT.numpy({"a": (made, [None, 2])})
    assert back["a"][1] == (None, 2)
    np.testing.assert_array_equal(back["a"][0], array)
    assert back["a"][0].dtype == array.dtype


def test_whose_arrays_a_function_takes():
    enclosed = xp.ones(2)
    for given in (
        strict.swish,
        (strict.silu, strict.silu_vjp),
        strict.scale,
        strict.scale.forward,
        xp.exp,
        lambda x: x * enclosed,
        lambda x, one=enclosed: x * one,
        WithVJP(strict.silu, strict.silu_vjp),
    ):
        assert engines_of(given) == [STRICT], given
    for given in (np.exp, lambda x: np.exp(x), torch.nn.functional.silu, torch.nn.Linear(2, 2)):
        assert engines_of(given) == [], given


@pytest.mark.parametrize(
    ("implementation", "inputs", "options"),
    [
        ((strict.swish, strict.swish_backward), None, {"against": "silu"}),
        ((strict.swish, strict.swish_backward), "bd", {}),
        (WithVJP(strict.silu, strict.silu_vjp), "bd", {"against": torch.nn.functional.silu}),
        ((strict.two, strict.two_backward), "td, s:int<t", {}),
        (strict.scale, "b4", {}),
        (strict.remembering, "b4", {}),
        (torch.nn.functional.silu, "bd", {"against": strict.silu}),
    ],
)
def test_right_gradients(implementation, inputs, options):
    result = check(implementation, inputs, cases=12, **options)
    assert result, result
    assert {t.dtype for t in result.tallies} == {"float64", "float32"}


@pytest.mark.parametrize(
    ("implementation", "inputs", "said"),
    [
        ((strict.swish, strict.without_the_gate), "bd", "from tests.verify.subjects.strict import"),
        (strict.too_large, "b4", "y, cache = too_large.forward(x)"),
    ],
)
def test_the_code_of_a_wrong_one_runs_in_its_engine(implementation, inputs, said):
    result = check(implementation, inputs, cases=10)
    code = result.failure.reproduce
    assert code.startswith("import array_api_strict as xp\n") and said in code
    assert "x = xp.asarray([[" in code and "dtype=xp.float64)" in code
    assert printed(result) == pytest.approx(result.failure.got)


def test_a_layout_that_matters_is_in_the_code():
    def last(dy, cache):  # of what lies in memory, not of the array
        x = to_numpy(dy)
        return dy * (2 if not x.flags.c_contiguous else 1)

    result = check((lambda x: (xp.positive(x), x), last), "bd", cases=40)
    assert "dy = xp.from_dlpack(in_layout(np.array(" in result.failure.reproduce


def test_an_object_of_numpy_is_one_too():
    def layer(**methods):
        return types.SimpleNamespace(**methods)

    right = layer(forward=lambda x: (np.sin(x), x), backward=lambda dy, x: dy * np.cos(x))
    assert engines_of(right) == []
    assert check(right, "bd", cases=8)
    assert not check(layer(forward=right.forward, backward=lambda dy, x: dy), "bd", cases=8)
    with pytest.raises(VerifyError, match=r"Scale is a class; give an object, Scale\(...\)"):
        check(strict.Scale, "bd")


def test_arrays_of_the_engine_may_be_given():
    swish = (strict.swish, strict.swish_backward)
    assert check(swish, [xp.asarray([0.5, -2.0])], cases=4)


def test_only_the_result_may_tell_whose_arrays_it_takes():
    hidden = "array_api_strict"

    def forward(x):
        import importlib

        exp = importlib.import_module(hidden).exp
        x = importlib.import_module(hidden).asarray(x)
        return exp(x), exp(x)

    assert engines_of(forward) == []
    assert check((forward, lambda dy, y: dy * y), "bd", cases=6)


def test_a_function_of_the_engine_alone_has_no_gradient():
    with pytest.raises(
        VerifyError, match="silu returns array_api_strict arrays, so it has no grad"
    ):
        check(strict.silu, "bd")
    with pytest.raises(VerifyError, match="bfloat16"):
        check(WithVJP(strict.silu, strict.silu_vjp), "bd", against="silu", dtypes="bfloat16")


def test_numpy_s_own_arrays_stay_as_they_are():
    array = np.ones(2)
    assert NUMPY.given(array) is array and NUMPY.numpy((array, None)) == (array, None)


def test_bfloat16_of_another_engine_is_refused_by_name():
    with pytest.raises(
        VerifyError, match="bfloat16 is checked of PyTorch's tensors, and .* arrays"
    ):
        check((strict.swish, strict.swish), "bd", against=torch.sin, dtypes="bfloat16")
