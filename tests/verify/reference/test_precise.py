"""The formulas that stand in where PyTorch's float64 is no reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.discovery import op_card
from npformer.cards.normal import normal_distribution
from tests.examples import examples

GELU = op_card("gelu")


@examples(2)
@given(st.floats(-37, 37))
def test_phi_is_half_erfc(x):
    exact = 0.5 * math.erfc(-x / math.sqrt(2))
    # erfc's own argument is rounded, which x^2 magnifies in the tail.
    ours = float(normal_distribution(np.array([x], np.longdouble))[0])
    assert abs(ours - exact) <= (4 + 2 * x * x) * 2.3e-16 * exact + 1e-320


def test_the_two_expansions_of_phi_meet():
    one = np.longdouble(1)
    below, above = normal_distribution(np.array([-2 + 1e-12 * one, -2 - 1e-12 * one]))
    assert abs(below - above) / below < 1e-11
    assert abs((below + above) / 2 - np.longdouble("0.0227501319481792072003")) < 1e-17


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_precise_gelu_is_pytorchs_where_that_does_not_cancel(form):
    x = torch.linspace(-2, 6, 101, dtype=torch.float64, requires_grad=True)
    ours, theirs = GELU.precise(x, approximate=form), torch.nn.functional.gelu(x, approximate=form)
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-15)
    gradients = [torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-14)


def test_extended_gelu_has_the_derivative_that_it_says():
    x = np.linspace(-9, 9, 61).astype(np.longdouble)
    h = np.longdouble(1e-5)
    slope = [
        (GELU.extended[0](x + s, approximate="none")[0]
         - GELU.extended[0](x - s, approximate="none")[0]) / (2 * s) for s in (h, h / 2)
    ]  # fmt: skip
    dx = GELU.extended[1](np.ones_like(x), GELU.extended[0](x, approximate="none")[1])
    np.testing.assert_allclose((4 * slope[1] - slope[0]) / 3, dx, rtol=0, atol=1e-9)


def test_the_loss_of_ignored_rows_is_0_and_otherwise_pytorchs():
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    static = {"label_smoothing": 0.1, "ignore_index": 1, "weight": None, "reduction": "mean"}
    nothing = op_card("cross_entropy").precise(logits, torch.tensor([1, 1, 1]), **static)
    assert nothing.item() == 0.0
    some = op_card("cross_entropy").precise(logits, torch.tensor([1, 0, 2]), **static)
    expected = torch.nn.functional.cross_entropy(
        logits, torch.tensor([1, 0, 2]), ignore_index=1, label_smoothing=0.1
    )
    torch.testing.assert_close(some, expected)
