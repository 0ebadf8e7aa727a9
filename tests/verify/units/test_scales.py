"""S bounds what it must, and is no larger than the error that rounding really makes."""

from __future__ import annotations

import numpy as np
import pytest

from npformer import ops
from npformer.cards.discovery import op_card, op_cards
from npformer.cards.scales import float_info
from npformer.cards.strategies import GeneratorSource
from npformer.verify.components.op_component import OpComponent

FP = float_info(np.float32)


@pytest.mark.parametrize(
    "component", [OpComponent.of(card) for card in op_cards()], ids=lambda c: c.name
)
def test_every_result_has_a_scale_of_its_shape_and_size(component):
    rng = np.random.default_rng(1)
    for _ in range(40):
        case = component.draw(GeneratorSource(rng), np.float64)
        result, scale = component.run(case), component.scales(case)
        for name, value in result.items():
            if value is not None:
                assert np.shape(scale[name]) == value.shape
                # A scale below the result would call a correctly rounded result wrong.
                assert (np.asarray(scale[name]) >= 0.99 * np.abs(value)).all()


def test_linear_s_is_the_product_of_absolute_values():
    rng = np.random.default_rng(0)
    x, weight, dy = rng.standard_normal((3, 4)), rng.standard_normal((2, 4)), np.ones((3, 2))
    s = op_card("linear").scales(x, weight, dy=dy, fp=FP)
    np.testing.assert_allclose(s["y"], np.abs(x) @ np.abs(weight).T)
    np.testing.assert_allclose(s["dweight"], np.abs(dy).T @ np.abs(x))


def test_softmax_s_grows_with_the_distance_from_the_maximum():
    x = np.array([[0.0, -10.0, -20.0]])
    y, _ = ops.softmax_forward(x)
    s = op_card("softmax").scales(x, axis=-1, dy=np.ones_like(x), fp=FP)["y"]
    np.testing.assert_allclose(s / y, [[1, 11, 21]], rtol=1e-2)


def test_layer_norm_s_grows_with_the_mean_over_the_deviation():
    row = np.array([[-1.0, 0.0, 1.0]])
    ones = np.ones(3)
    near, far = (
        op_card("layer_norm").scales(row + m, ones, ones, eps=1e-5, dy=row, fp=FP)["y"].max()
        for m in (0, 1e3)
    )
    assert 1e2 < far / near < 1e5


@pytest.mark.parametrize("form", ["none", "tanh"])
def test_gelu_s_is_relative_in_the_left_tail(form):
    x = np.array([-6.0])
    y, _ = ops.gelu_forward(x, approximate=form)
    s = op_card("gelu").scales(x, approximate=form, dy=np.ones(1), fp=FP)["y"]
    assert 1 < (s / np.abs(y)).item() < 100


def test_cancellation_is_what_the_scale_is_for():
    x = np.array([[1.0, -1.0, 1e-9]])
    s = op_card("linear").scales(x, np.ones((1, 3)), dy=np.ones((1, 1)), fp=FP)["y"]
    np.testing.assert_allclose(s, [[2.0]], rtol=1e-6)
