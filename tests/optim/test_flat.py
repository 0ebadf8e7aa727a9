from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ShapeError
from npformer.nn.module import Parameter
from npformer.optim import FlatParameters


def test_values_are_kept_and_become_views_of_the_buffers():
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.random((3, 2)),
        "b": rng.random(()),
        "c": rng.random((2, 0)),
        "d": rng.random(4).T,
    }
    parameters = {name: Parameter(array.copy()) for name, array in arrays.items()}
    parameters["a"].grad = np.full((3, 2), 7.0)
    flat = FlatParameters(parameters)
    assert flat.data.shape == flat.grad.shape == (11,)
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.data, arrays[name])
        assert parameter.data.shape == parameter.grad.shape == arrays[name].shape
    np.testing.assert_array_equal(flat.grad, [7.0] * 6 + [0.0] * 5)
    parameters["d"].data[2] = -1
    parameters["d"].grad[...] = 5
    assert flat.data[9] == -1
    np.testing.assert_array_equal(flat.grad[7:], 5)
    np.testing.assert_array_equal(flat.views(flat.data)["a"], arrays["a"])


def test_a_transposed_parameter_keeps_its_values():
    array = np.arange(6.0).reshape(2, 3).T
    parameter = Parameter(array)
    FlatParameters([("w", parameter)])
    np.testing.assert_array_equal(parameter.data, array)


def test_one_parameter_under_two_paths_has_one_place():
    parameter = Parameter(np.ones(3))
    flat = FlatParameters([("first", parameter), ("second", parameter)])
    assert list(flat.views(flat.data)) == ["first"]
    assert flat.data.size == 3


def test_tied_arrays_stay_tied_and_their_gradients_add_up():
    array = np.ones((2, 2))
    one, two = Parameter(array), Parameter(array)
    one.grad, two.grad = np.full((2, 2), 3.0), np.full((2, 2), 4.0)
    flat = FlatParameters([("one", one), ("two", two)])
    assert flat.data.size == 4
    np.testing.assert_array_equal(flat.grad, 7)
    one.accumulate(np.ones((2, 2)))
    two.accumulate(np.ones((2, 2)))
    np.testing.assert_array_equal(flat.grad, 9)
    one.data[0, 0] = 8
    assert two.data[0, 0] == 8


def test_empty_parameters_are_not_taken_for_tied_ones():
    array = np.zeros((0, 3))
    flat = FlatParameters([("one", Parameter(array)), ("two", Parameter(array))])
    assert list(flat.views(flat.data)) == ["one", "two"]


def test_mixed_dtypes_are_refused():
    with pytest.raises(ShapeError, match="float32, float64"):
        FlatParameters({"a": Parameter(np.ones(1)), "b": Parameter(np.ones(1, np.float32))})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_parameter_with_a_non_finite_gradient_is_named(bad):
    parameters = {name: Parameter(np.ones(3)) for name in "abc"}
    flat = FlatParameters(parameters)
    assert flat.first_nonfinite() is None
    parameters["b"].grad[1] = parameters["c"].grad[0] = bad
    assert flat.first_nonfinite() == "b"


def test_what_is_not_trainable_stays_outside():
    frozen, trained = Parameter(np.ones(3), trainable=False), Parameter(np.ones(2))
    flat = FlatParameters({"frozen": frozen, "trained": trained})
    assert list(flat.shapes) == ["trained"] and flat.data.shape == (2,)
    assert frozen.grad is None
