"""Functions whose arrays are of sixteen bits, float16 or bfloat16."""

from __future__ import annotations

import contextlib
import io
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.case import Case
from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from npformer.verify.units.sixteen import ACCEPT, CAP, accepts, in_bfloat16

SIXTEEN = ("float16", "bfloat16")


class Linear(torch.autograd.Function):
    """Takes sixteen bits alone, and adds in float32."""

    share = 0.0
    """By how much the first entry of dw is off."""

    @classmethod
    def forward(cls, ctx, x, w):
        assert x.dtype in (torch.bfloat16, torch.float16)
        ctx.save_for_backward(x, w)
        ctx.share = cls.share
        return (x.float() @ w.float()).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        x, w = (a.float() for a in ctx.saved_tensors)
        dw = x.T @ dy.float()
        dw[:1, :1] *= 1 + ctx.share
        return (dy.float() @ w.T).to(dy.dtype), dw.to(dy.dtype)


class OffByAFifth(Linear):
    share = 0.2


class OffByATwentieth(Linear):
    share = 0.05


class OffByAThousandfold(Linear):
    share = 1000.0


def adds_in_its_own_dtype(x, w):
    y = torch.zeros(x.shape[0], w.shape[1], dtype=x.dtype)
    for k in range(x.shape[1]):
        y = y + x[:, k : k + 1] * w[k : k + 1]
    return y


def product(x, w):
    return x @ w


@pytest.mark.parametrize("dtype", SIXTEEN)
@pytest.mark.parametrize("right", [Linear, product, adds_in_its_own_dtype])
def test_a_right_function_of_sixteen_bits_is_accepted(right, dtype):
    result = check(right, "bd, de", against=product, dtypes=dtype, cases=60)
    assert result, result
    assert [t.dtype for t in result.tallies] == [dtype]
    assert result.gradient_error < 1
    assert result.pytorch_gradient_error < 1
    assert f"eps of {dtype}" in result.bound


@pytest.mark.parametrize("dtype", SIXTEEN)
def test_a_fifth_off_in_one_entry_is_found(dtype):
    result = check(OffByAFifth, "bd, de", against=product, dtypes=dtype, cases=40, shrink=False)
    assert set(result.wrong) == {"dw"}


class FlatterSquare(torch.autograd.Function):
    """Its slope is a tenth too small."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 1.8 * x * dy + 0.2 * torch.sin(3 * x) * dy


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_what_is_asked_in_sixteen_bits_is_not_blamed_for_them(dtype):
    result = check(
        FlatterSquare, "bd", against=lambda x: x * x, dtypes=dtype, cases=20, shrink=False
    )
    assert not result.passed
    name = {"bfloat16": "bf16"}.get(dtype, dtype)
    assert not any(name in each.sentence for each in result.diagnoses)


def test_a_twentieth_off_in_one_entry_of_bfloat16_is_no_rounding():
    result = check(
        OffByATwentieth, "bd, de", against=product, dtypes="bfloat16", cases=60, shrink=False
    )
    assert set(result.wrong) == {"dw"}
    failure = result.failure
    assert failure is not None
    assert failure.index == (0, 0)
    assert failure.error < ACCEPT
    assert "in the mean of inputs near by" in failure.message
    assert "in the mean of inputs near by up to 1" in result.bound
    asked = {"against": product, "dtypes": "bfloat16", "cases": 60, "shrink": False}
    assert check(OffByATwentieth, "bd, de", accept=ACCEPT, **asked)


def softmax_by_hand(x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def attention_by_hand(q, k, v):
    return softmax_by_hand(q @ k.mT / q.shape[-1] ** 0.5) @ v


def layer_norm_by_hand(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt((centred**2).mean(-1, keepdim=True) + 1e-5) * weight + bias


RIGHT = {
    "layer norm": (layer_norm_by_hand, "btd, d, d", lambda x, w, b: F.layer_norm(x, w.shape, w, b)),
    "softmax": (softmax_by_hand, "btd", lambda x: torch.softmax(x, -1)),
    "attention": (attention_by_hand, "bth, bsh, bse", F.scaled_dot_product_attention),
    "RMS norm": (
        lambda x, w: F.rms_norm(x, w.shape, w, 1e-6),
        "btd, d",
        lambda x, w: rms_norm_by_hand(x, w),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_rounding_at_every_step_in_bfloat16_is_not_taken_for_a_mistake(name):
    right, inputs, against = RIGHT[name]
    result = check(right, inputs, against=against, dtypes="bfloat16", cases=40, seed=1)
    assert result, result


def rms_norm_by_hand(x, weight):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * weight


class WithoutItsMean(torch.autograd.Function):
    """An RMS norm whose backward has no term of the mean square."""

    @staticmethod
    def forward(ctx, x, weight):
        r = torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6)
        ctx.save_for_backward(x * r, r, weight)
        return x * r * weight

    @staticmethod
    def backward(ctx, dy):
        xhat, r, weight = ctx.saved_tensors
        return r * dy * weight, (dy * xhat).sum(tuple(range(dy.ndim - 1)))


def test_terms_that_cancel_in_rows_of_one_number_are_rounding_and_no_excuse():
    asked = {"against": RIGHT["RMS norm"][0], "sizes": {"d": 1}, "dtypes": "bfloat16", "cases": 30}
    result = check(rms_norm_by_hand, "btd, d", **asked)
    assert result, result
    assert "dx" in check(WithoutItsMean, "btd, d", shrink=False, **asked).wrong


def test_what_is_shown_runs_and_shows_the_wrong_number():
    result = check(OffByAThousandfold, "bd, de", against=product, dtypes="bfloat16", cases=20)
    failure = result.failure
    assert failure is not None
    assert failure.case is not None
    assert "dtype=torch.bfloat16" in failure.reproduce
    assert "bfloat16" in str(result)
    assert failure.case.size < 40
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(failure.reproduce, {})
    assert float(shown.getvalue().split("(")[1].split(",")[0]) == pytest.approx(failure.got, 0.01)
    assert json.loads(json.dumps(result.to_dict()))["results"][0]["dtype"] == "bfloat16"


def test_a_module_and_a_vjp_of_bfloat16():
    module = torch.nn.Linear(3, 2).bfloat16()
    assert check(module, "b3", against=torch.nn.Linear(3, 2), dtypes="bfloat16", cases=10)
    square = WithVJP(lambda x: x * x, lambda dy, x: 2 * x * dy)
    assert check(square, "bd", against=torch.square, dtypes="bfloat16", cases=10)
    wide = WithVJP(lambda x: x * x, lambda dy, x: (2 * x * dy).float())
    result = check(wide, "bd", against=torch.square, dtypes="bfloat16", cases=4, shrink=False)
    assert "must be of torch.bfloat16" in result.failure.message


def test_numpy_functions_of_float16():
    pair = (lambda x: (x * x, x), lambda dy, x: 2 * x * dy)
    assert check(pair, "bd", against=pair, dtypes="float16", cases=20)
    wrong = (lambda x: (x * x, x), lambda dy, x: np.float16(2.2) * x * dy)
    assert not check(wrong, "bd", against=pair, dtypes="float16", cases=20, shrink=False)


def test_what_cannot_be_asked_is_said():
    sine = WithVJP(np.sin, lambda dy, x: dy * np.cos(x))
    with pytest.raises(VerifyError, match=r"sin refuses x \(\d, \d\), bfloat16"):
        check(sine, "bd", against=torch.sin, dtypes="bfloat16")
    with pytest.raises(VerifyError, match="of the registry"):
        check("softmax", dtypes="bfloat16")
    with pytest.raises(VerifyError, match="say what goes into"):
        check(torch.relu, against="relu", dtypes="bfloat16")
    assert check(torch.relu, "bd", against="relu", dtypes="bfloat16", cases=10)
    with pytest.raises(VerifyError, match="alone"):
        check(product, "bd, de", against=product, dtypes=("float32", "bfloat16"))
    with pytest.raises(VerifyError, match="without a reference"):
        check(product, "bd, de", dtypes="float16")
    with pytest.raises(VerifyError, match="gradient of another function"):
        check(torch.square, "bd", against=np.square, dtypes="float16")


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=8))
def test_a_case_of_bfloat16_is_rounded_as_pytorch_rounds(numbers):
    array = np.array(numbers, np.float32)
    case = in_bfloat16(Case({"x": array[::-1]}, {}, array))
    wanted = torch.tensor(numbers).bfloat16().float().numpy()
    assert np.array_equal(case.dy, wanted)
    assert case.inputs["x"].strides == array[::-1].strides or len(numbers) < 2


def test_the_bound_follows_the_reference_up_to_a_cap():
    assert accepts(ACCEPT, 0.0)
    assert not accepts(ACCEPT + 0.1, 0.0)
    assert accepts(ACCEPT + 0.1, 2.0)
    assert not accepts(CAP + 0.1, 100.0)
