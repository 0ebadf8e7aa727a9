"""The measured scale: as large as rounding, and no larger."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.cards.case import Case
from npformer.cards.strategies import GeneratorSource
from npformer.verify import component
from npformer.verify.units.measured import disturbed, measured_scales

SMOOTH = ("linear", "softmax", "layer_norm", "silu")


def of(case, run):
    with np.errstate(over="ignore"):
        return measured_scales(run, case, run(case.cast(np.float64)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", SMOOTH)
def test_it_is_near_the_formula(name, dtype):
    """Of one size on the whole, where the formula is a bound and this is a sample."""
    op = component(name)
    source = GeneratorSource(np.random.default_rng(0))
    ratios = []
    for _ in range(120):
        case = op.draw(source, np.dtype(dtype))
        arrays = (*case.inputs.values(), case.dy)
        if not all(a.size and 0.1 < np.abs(a).max() < 10 for a in arrays):
            continue
        found, formula = of(case, op.run), op.scales(case)
        ratios += [np.median(found[n] / formula[n]) for n in found]
    assert len(ratios) > 40
    assert 0.2 < np.median(ratios) < 5
    # Of a row without variance: the formula knows that equal numbers have an exact mean.
    assert np.max(ratios) < 100


def test_a_sum_that_cancels_has_the_scale_of_its_terms():
    case = Case({"x": np.array([1e8, 1.0, -1e8])}, {}, np.array(1.0))
    (s,) = of(case, lambda c: {"y": np.asarray(c.inputs["x"].sum())}).values()
    assert 1e7 < s < 1e9


def test_at_a_kink_there_is_no_right_result_to_miss():
    case = Case({"x": np.array([0.0, 2.0])}, {}, np.ones(2))
    s = of(case, lambda c: {"dx": np.where(c.inputs["x"] > 0, c.dy, 0.0)})["dx"]
    assert s[0] > 1e14
    assert s[1] < 10


def test_a_reference_that_overflows_judges_nothing():
    case = Case({"x": np.array([1e3], np.float32)}, {}, np.ones(1, np.float32))
    s = of(case, lambda c: {"y": np.exp(c.inputs["x"])})["y"]
    assert s[0] == 1e300


def test_the_disturbance_is_of_the_size_of_rounding():
    case = Case({"x": np.array([1.0, 1e-3, 0.0])}, {}, np.zeros(2))
    moved = disturbed(case, np.random.default_rng(0), 1e-10)
    off = np.abs(moved.inputs["x"] - case.inputs["x"])
    assert (off > 0).all() and (off < 1e-9).all()
    assert np.abs(moved.dy).max() > 0
