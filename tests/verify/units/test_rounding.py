"""The second look: rounding grows and shrinks with eps, a mistake does not."""

from __future__ import annotations

import numpy as np

from npformer.cards.case import Case
from npformer.verify.units.rounding import of_noise, own_scale

CASE = Case({"x": np.array([1.0, 2.0, 3.0, 4.0])}, {}, np.ones(1))
SCALE = np.array([1e-8, 1e-8, 1e-8, 1e-8])
"""Of entries that the reference, by luck, knows exactly."""


def right(case):
    return {"dx": np.zeros(4)}


def run_with(single):
    """Entry 0 is rounding of terms near 1, entry 1 is off in float32 alone, the rest is tiny."""

    def run(case):
        dtype = case.dy.dtype
        draw = np.random.default_rng(list(case.inputs["x"].tobytes()))
        size = np.array([1.0, 0.0, 1e-9, 1e-9])
        dx = np.finfo(dtype).eps * size * draw.uniform(0.5, 1, 4) * draw.choice([-1, 1], 4)
        if dtype == np.float32:
            dx[1] = single
        return {"dx": dx.astype(dtype)}

    return run


def second_look(run):
    return own_scale(run, right, CASE, "dx", np.zeros(4), SCALE)


def test_of_the_other_precision_only_what_is_in_doubt_is_asked():
    """Entry 1 is exact in float64, and its unit there says nothing of float32."""
    found = second_look(run_with(single=1e-7))
    assert found is not None
    assert found[0] > 0.5
    assert found[1] < 1


def test_what_does_not_shrink_with_eps_is_wrong():
    def run(case):
        draw = np.random.default_rng(list(case.inputs["x"].tobytes()))
        dx = np.zeros(4)
        dx[0] = 1e-4 * draw.uniform(-1, 1)
        return {"dx": dx.astype(case.dy.dtype)}

    for dtype in (np.float32, np.float64):
        case = CASE.cast(dtype)
        assert own_scale(run, right, case, "dx", np.zeros(4), SCALE) is None


def test_where_rounding_is_larger_than_most_of_a_result_its_share_is_chance():
    """An entry that scattered little by luck has the unit of the others."""
    scale = np.array([1e10, 1e9, 1e7, 1e9])
    exact = np.array([1.0, -2.0, 3.0, 4.0])
    assert (of_noise(scale, exact, np.float32) == 1e10).all()


def test_digits_that_are_left_keep_their_units():
    """Also beside entries that are 0, such as the gradient of a maximum, and where few are lost."""
    scale = np.array([1e10, 1.0, 1.0, 1.0])
    for exact in (np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0, 0.0])):
        assert (of_noise(scale, exact, np.float32) == scale).all()
