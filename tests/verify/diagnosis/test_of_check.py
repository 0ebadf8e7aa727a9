"""Diagnoses of functions that no catalogue knows, and what must not become of a check by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cards.case import Case
from npformer.cards.strategies import GeneratorSource
from npformer.cards.values import in_layout
from npformer.verify import WithVJP, check
from npformer.verify.diagnosis import of_check
from npformer.verify.diagnosis.along import factors_along
from npformer.verify.diagnosis.common import condition
from npformer.verify.diagnosis.telling import Seen
from npformer.verify.subjects.prepare import prepare


def grouped(q, k, v):
    """Attention of four heads on two; heads are the third axis, as in the catalogue's operation."""
    k, v = k.repeat_interleave(2, 2), v.repeat_interleave(2, 2)
    p = torch.softmax(torch.einsum("btnh,bsnh->bnts", q, k), -1)
    return torch.einsum("bnts,bsne->btne", p, v)


class Grouped(torch.autograd.Function):
    """The second gradient is off by another factor in each head."""

    @staticmethod
    def forward(ctx, q, k, v):
        ctx.save_for_backward(q, k, v)
        return grouped(q, k, v)

    @staticmethod
    def backward(ctx, dy):
        leaves = [a.detach().requires_grad_() for a in ctx.saved_tensors]
        with torch.enable_grad():
            dq, dk, dv = torch.autograd.grad(grouped(*leaves), leaves, dy)
        return dq, dk * torch.arange(1.0, 3.0)[:, None], dv


def test_arguments_named_like_a_catalogue_s_are_not_taken_for_it():
    result = check(Grouped, "bt4h, bs2h, bs2e", against=grouped, cases=30, shrink=False)
    assert set(result.wrong) >= {"dk"}


def test_an_exception_costs_the_diagnosis_and_not_the_result(monkeypatch):
    def broken(*args):
        raise IndexError("a diagnosis that assumed too much")

    monkeypatch.setattr(of_check, "diagnose_implementation", broken)
    result = check(WithVJP(np.sin, lambda dy, x: dy), "bd", cases=10, shrink=False)
    assert result.wrong
    assert result.diagnoses == ()


@pytest.mark.parametrize("against", [None, torch.sin])
def test_a_backward_that_raises_elsewhere_is_diagnosed_where_it_runs(against):
    def picky(dy, x):
        if len(x) > 4:
            raise ValueError("too long")
        return 2 * dy * np.cos(x)

    result = check(WithVJP(np.sin, picky), "bd", against=against, cases=40, shrink=False)
    assert "dx is off by the factor 2" in result.diagnoses[0].sentence


def test_a_wrong_shape_is_no_matter_of_values():
    """A scalar bias gets a row of gradients; the numbers in it are right, as terms of a sum."""
    wrong = WithVJP(lambda x, b: x * x + b, lambda dy, x, b: (2 * dy * x, dy.sum(0)))
    result = check(wrong, "bd, .", against=lambda x, b: x * x + b, cases=30, shrink=False)
    (found,) = result.diagnoses
    assert "db has the shape" in found.sentence
    assert "it must be that of b, (): it is not summed over axis 0" in found.sentence
    assert not found.mutants


def test_what_has_no_pattern_gets_no_diagnosis():
    """Another factor in every entry, which depends on x: nothing simple is true of it."""
    wrong = WithVJP(np.sin, lambda dy, x: dy * np.cos(x) * (1 + 0.3 * np.sin(5 * x)))
    result = check(wrong, "btd", against=torch.sin, cases=60, shrink=False)
    assert result.wrong
    assert result.diagnoses == ()


def test_a_shared_feature_without_effect_is_not_the_condition():
    """Of a mistake that is there whatever the layout, the layout is not the cause."""

    def fails(case):
        return bool((np.abs(case.inputs["x"]) > 2.5).any())

    rng = np.random.default_rng(0)

    def case(layout, size):
        x = in_layout(np.clip(rng.standard_normal((4, 5)), -2, 2), layout)
        x[0, 0] = size
        return Case({"x": x}, {}, rng.standard_normal((4, 5)))

    failing = [case("Fortran", 3.0) for _ in range(12)]
    passing = [case("C", 1.0) for _ in range(12)]
    component = prepare(WithVJP(np.sin, lambda dy, x: dy), "bd")
    assert condition(component, Seen(failing, passing), fails) is None
    only = condition(
        component, Seen(failing, passing), lambda case: not case.inputs["x"].flags.c_contiguous
    )
    assert str(only) == (
        "only where x is not contiguous in memory: all 12 failing cases have it; 12 without it pass"
    )


class Product:
    """x w, whose dx is a multiple of the right one from row ``start`` on."""

    def __init__(self, factor, start=0):
        self.factor, self.start = factor, start

    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, dy, cache):
        x, w = cache
        dx = dy @ w.T
        dx[self.start :] *= dx.dtype.type(self.factor)
        return dx, x.T @ dy


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1.01, "dx is 1.01 times what it should be"),
        (0.999, "dx is 0.999 times what it should be"),
        (1.0001, "dx is 1.0001 times what it should be"),
        (-1, "dx has the wrong sign"),
        (0, "dx is zero"),
    ],
)
def test_a_factor_is_named_of_a_case_too_large_for_differences_of_each_entry(factor, said):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((160, 160)), rng.standard_normal((160, 160))]
    result = check(Product(factor), arrays, cases=4, dtypes="float64", shrink=False)
    assert result.diagnoses[0].sentence.startswith(said)
    assert not result.cut_short


def test_a_factor_of_some_rows_of_a_large_case_is_none_of_all():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((160, 160)), rng.standard_normal((160, 160))]
    case = prepare(Product(1.01, start=80), arrays).draw(
        GeneratorSource(np.random.default_rng(0)), np.dtype(float)
    )
    assert factors_along(prepare(Product(1.01), arrays), case, [])
    assert not factors_along(prepare(Product(1.01, start=80), arrays), case, [])


@pytest.mark.parametrize("factor", [1.0001, 0.99987, 1.000001])
def test_a_steady_factor_is_shown_to_its_digits_and_is_not_taken_for_rounding(factor):
    result = check(Product(factor), "bd, de", against=torch.matmul, cases=20, dtypes="float64")
    assert f"dx is {factor} times what it should be" in result.diagnoses[0].sentence


@pytest.mark.parametrize(
    ("gone", "said", "between"),
    [
        (lambda x: x > 1.5, "dx is zero where x is above some number from", 1.5),
        (lambda x: x < -2.2, "dx is zero where x is below some number from", -2.2),
        (lambda x: abs(x) > 1.5, "dx is zero where x is larger in size than some number from", 1.5),
    ],
)
def test_a_branch_of_the_backward_is_found_by_the_numbers_that_take_it(gone, said, between):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((12, 20)) * 2]
    wrong = WithVJP(np.tanh, lambda dy, x: np.where(gone(x), 0, dy * (1 - np.tanh(x) ** 2)))
    result = check(wrong, arrays, against=torch.tanh, cases=6, dtypes="float64", shrink=False)
    sentence = result.diagnoses[0].sentence
    assert sentence.startswith(said)
    low, high = (float(each.rstrip(",")) for each in sentence.split("from ")[1].split()[:3:2])
    assert low <= between <= high
    assert high - low < 0.2


def test_numbers_of_one_sign_do_not_tell_a_branch_by_size_from_one_by_sign():
    rng = np.random.default_rng(0)
    wrong = WithVJP(np.tanh, lambda dy, x: np.where(x > 1, 0, dy * (1 - np.tanh(x) ** 2)))
    arrays = [np.abs(rng.standard_normal((12, 20)))]
    result = check(wrong, arrays, against=torch.tanh, cases=6, dtypes="float64", shrink=False)
    assert result.wrong
    assert result.diagnoses == ()
