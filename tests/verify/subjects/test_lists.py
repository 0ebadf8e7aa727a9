"""An argument that is a list of arrays."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from npformer.cards.sources import FirstSource
from npformer.errors import VerifyError
from npformer.verify import WithVJP, check
from npformer.verify.inputs import as_inputs


def rows(xs, w):
    return np.concatenate(xs) * w


def rows_vjp(dy, xs, w):
    cuts = np.cumsum([len(x) for x in xs])[:-1]
    return np.split(dy * w, cuts), (dy * np.concatenate(xs)).sum(0)


def first_is_lost(dy, xs, w):
    dxs, dw = rows_vjp(dy, xs, w)
    return [0 * dxs[0], *dxs[1:]], dw


def total(xs):
    return sum(x * (i + 1) for i, x in enumerate(xs))


def forward(xs):
    return total(xs), len(xs)


def tensor_rows(xs, w):
    return torch.cat(xs) * w


def test_the_language():
    for text, lists in (("(nd, md), d", (2, None)), ("d, (nd)*3", (None, 3)), ("(d)", (1,))):
        spec = as_inputs(text)
        assert spec.lists == lists
        assert as_inputs(str(spec)).lists == lists
    x, y, w = as_inputs("(nd, m d), d").draw(FirstSource(), np.dtype(float))
    assert x.shape[1] == y.shape[1] == len(w) and len(x) != len(y)
    assert as_inputs("t, b:offsets(t), (t:int<t)").lists == (None, None, 1)
    for wrong in ("(nd", "nd)", "()", "(nd)*0", "(nd)*3-2", "(nd)*1-", "((nd), d)", "(nd)x3"):
        with pytest.raises(VerifyError, match="for a shape; write one letter an axis"):
            as_inputs(wrong)


@pytest.mark.parametrize("reference", [None, tensor_rows, rows])
def test_a_gradient_for_each_member(reference):
    right = WithVJP(rows, rows_vjp)
    result = check(right, "(nd, md), d", against=reference, cases=10)
    assert result, result
    assert set(result.compared) == {"y", "dxs[0]", "dxs[1]", "dw"}
    wrong = check(WithVJP(rows, first_is_lost), "(nd, md), d", against=reference, cases=10)
    # Without a gradient to compare with, the forward's derivative says that one is wrong.
    by_entry, by_direction = {"dxs[0]"}, {"the gradient"}
    named = by_entry if reference is tensor_rows else set()
    assert named <= set(wrong.wrong) <= by_entry | by_direction and wrong.wrong, wrong.wrong
    assert wrong.failure.result == "dxs[0]"


@pytest.mark.parametrize("reference", [None, tensor_rows, rows])
def test_a_list_may_have_another_length_in_each_case(reference):
    spec = as_inputs("(nd, m)*0-2, d")
    assert str(spec) == str(as_inputs(str(spec))) == "(nd, m)*0-2, d" and spec.lists == (4, None)
    lengths: set[int] = set()

    def seen(xs, w):
        lengths.add(len(xs))
        return rows(xs, w)

    assert check(WithVJP(seen, rows_vjp), "(nd)*1-4, d", against=reference, cases=20)
    assert lengths == {1, 2, 3, 4}

    def third_is_lost(dy, xs, w):
        dxs, dw = rows_vjp(dy, xs, w)
        return [*dxs[:2], *(0 * dx for dx in dxs[2:3]), *dxs[3:]], dw

    assert check(WithVJP(rows, third_is_lost), "(nd)*1-2, d", against=reference, cases=8)
    wrong = check(
        WithVJP(rows, third_is_lost), "(nd)*1-4, d", against=reference, cases=20, shrink=False
    )
    assert wrong.failure.result == "dxs[2]"


def test_several_outputs_of_a_list_that_varies():
    each = lambda xs: [2 * x for x in xs]  # noqa: E731
    assert check(each, "(bd)*1-3", against=lambda xs: tuple(x + x for x in xs), cases=10)


@pytest.mark.parametrize("implementation", [tensor_rows, torch.jit.script_if_tracing(tensor_rows)])
def test_tensors(implementation):
    assert check(implementation, "(nd, md, kd), d", against=rows, cases=8)


def test_a_pair_may_return_the_gradients_in_a_row():
    row = lambda dy, n: [dy * (i + 1) for i in range(n)]  # noqa: E731
    for backward in (row, lambda dy, n: (row(dy, n),), lambda dy, n: tuple(row(dy, n))):
        assert check((forward, backward), "(bd)*3", cases=6)


@pytest.mark.parametrize(
    ("implementation", "inputs", "said"),
    [
        (WithVJP(rows, first_is_lost), "(nd, md), d", "[dxs_0, dxs_1], dw = first_is_lost(dy, [xs"),
        ((forward, lambda dy, n: n * [dy]), "(bd)*2", "dxs_0, dxs_1 = "),
    ],
)
def test_the_code_of_a_wrong_one_runs(implementation, inputs, said):
    result = check(implementation, inputs, cases=8, shrink=False)
    code = result.failure.reproduce
    assert said in code and "([xs_0, xs_1]" in code
    if "first" in said:
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            exec(code, {})
        assert float(shown.getvalue()) == pytest.approx(result.failure.got)


def test_lists_may_be_given_or_drawn():
    given = [[np.ones((2, 3)), np.ones((1, 3))], np.ones(3)]
    assert check(WithVJP(rows, rows_vjp), given, cases=4)
    drawn = st.floats(0.5, 2).map(lambda x: np.array([[x, 1.0]]))
    assert check(WithVJP(rows, rows_vjp), [[drawn, drawn], np.ones(2)], cases=4)


def test_an_operation_of_the_registry_takes_none():
    with pytest.raises(VerifyError, match="silu takes arrays, and inputs has a list of them"):
        check(lambda xs: xs[0], "(bd)", against="silu")
