"""Arrays that somebody hands in."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import VerifyError
from npformer.verify import check_arrays

X = np.array([[1.0, 2.0, 4.0]])
GOOD = {"x": X, "weight": np.array([2.0, 1.0, 0.5]), "bias": np.zeros(3)}


def test_given_arrays_are_checked_with_the_ops_own_defaults():
    outcome = check_arrays("layer_norm", GOOD)
    assert not outcome.failures
    assert set(outcome.ours) == {"y", "dx", "dweight", "dbias"}
    assert outcome.directional is not None


def test_an_optional_array_may_be_left_out():
    outcome = check_arrays("linear", {"x": X, "weight": np.ones((2, 3))})
    assert set(outcome.ours) == {"y", "dx", "dweight"}


def test_dy_may_be_given():
    assert not check_arrays("softmax", {"x": X}, dy=np.array([[1.0, -1.0, 2.0]])).failures


@pytest.mark.parametrize("where", ["x", "weight", "dy"])
def test_nan_is_refused_by_name_and_index(where):
    inputs = {name: array.copy() for name, array in GOOD.items()}
    dy = np.ones_like(X)
    {**inputs, "dy": dy}[where][..., 1] = np.nan
    with pytest.raises(VerifyError, match=rf"'{where}' holds NaN, first at \(.*1.*\)"):
        check_arrays("layer_norm", inputs, dy=dy)


@pytest.mark.parametrize(
    ("name", "inputs", "more", "message"),
    [
        ("layernorm", GOOD, {}, "did you mean 'layer_norm'"),
        ("Linear", GOOD, {}, "'Linear' is a module; arrays can be given to ops only"),
        ("layer_norm", {"x": X}, {}, "needs the argument 'weight'"),
        ("layer_norm", {**GOOD, "weigth": X}, {}, "did you mean 'weight'"),
        ("layer_norm", {**GOOD, "x": X.astype(np.float32)}, {}, "must have one dtype"),
        ("softmax", {"x": X.astype(int)}, {}, "'x' is int64; it must be a float32 or float64"),
        ("softmax", {"x": [1.0]}, {}, "'x' is list"),
        ("softmax", {}, {"x": X}, "no array was given"),
        ("linear", {"x": X, "weight": np.ones((2, 4))}, {}, "linear refuses these arrays"),
        ("softmax", {"x": X}, {"dy": np.ones(4)}, r"dy has shape \(4,\)"),
    ],
)
def test_what_cannot_be_checked_is_refused(name, inputs, more, message):
    with pytest.raises(VerifyError, match=message):
        check_arrays(name, inputs, **more)
