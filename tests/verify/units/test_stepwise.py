"""Rounding inside a reference: as large as the terms that cancel, and no jump."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cards.case import Case
from npformer.cards.pytorch import F
from npformer.verify.reference.autograd import run_torch
from npformer.verify.units.measured import CAREFUL, measured_scales
from npformer.verify.units.stepwise import scatter_of_steps


def of(function):
    return lambda case: run_torch(function, case, {})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_where_a_formula_is_exact_by_luck_the_terms_still_count(dtype):
    """A saturated softmax: a gradient of 2 less one of 2."""
    softmax = of(lambda x: torch.softmax(x, -1))
    case = Case({"x": np.array([30.0, 0.0, -1.0], dtype)}, {}, np.full(3, 1.9276395, dtype))
    exact = softmax(case)
    assert np.abs(exact["dx"]).max() < 1e-15
    assert measured_scales(softmax, case, exact, CAREFUL)["dx"][0] < 1e-3
    found = scatter_of_steps(softmax, case, exact)
    assert 1 < found["dx"][0] < 20
    assert found["dx"][1:].max() < 1e-3
    assert found["y"].max() < 10


def test_what_keeps_its_digits_scatters_by_few_of_eps():
    case = Case({"x": np.linspace(0.5, 2, 7)}, {}, np.ones(7))
    run = of(lambda x: F.silu(x) * x)
    found = scatter_of_steps(run, case, run(case))
    assert all(0 < a.max() < 30 for a in found.values())


def test_a_comparison_that_rounding_decides_excuses_nothing():
    case = Case({"x": np.array([1.0, 3.0, 2.0])}, {}, np.array(1.0))
    run = of(lambda x: (x * (2 * x == 2 * x.amax())).sum())
    found = scatter_of_steps(run, case, run(case))
    assert found["dx"].max() < 10


def test_the_callers_random_numbers_stay_as_they_are():
    case = Case({"x": np.ones(5)}, {}, np.ones(5))

    def seeded(x):
        torch.manual_seed(3)
        return F.dropout(x, 0.5)

    run = of(seeded)
    found = scatter_of_steps(run, case, run(case))
    assert found["dx"].max() < 20
