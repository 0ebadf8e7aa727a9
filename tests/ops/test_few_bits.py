"""Numbers of few bits beside PyTorch's own operations, and the function whose gradient it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.errors import ConfigError, ShapeError
from npformer.ops import (
    fake_quantize_backward,
    fake_quantize_forward,
    float8_backward,
    float8_forward,
)
from npformer.ops.fake_quantize import symmetric_scale
from npformer.verify import finite_differences

TIES = np.array([-3, -2.5, -2.25, -0.75, -0.25, 0, 0.25, 0.75, 1.25, 3.74, 3.75, 9], np.float32)
BY_TYPE = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}


@pytest.mark.parametrize(("zero", "low", "high"), [(0, -4, 7), (3, 0, 15)])
def test_ties_and_ends_are_those_of_pytorchs_operation(zero, low, high):
    scale = 0.5  # so that u is exact on both sides
    x = torch.tensor(TIES, requires_grad=True)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high)
    theirs.sum().backward()
    y, cache = fake_quantize_forward(
        TIES, np.asarray(scale, np.float32), zero=zero, low=low, high=high
    )
    dx, _ = fake_quantize_backward(np.ones_like(TIES), cache)
    np.testing.assert_array_equal(y, theirs.detach().numpy())
    np.testing.assert_array_equal(dx, x.grad.numpy())


def test_rows_and_zeros_of_their_own_are_those_of_pytorchs_operation():
    x = torch.tensor(np.stack([TIES, TIES]), requires_grad=True)
    scale, zero = np.array([[0.5], [0.25]], np.float32), np.array([[0], [-3]])
    given = torch.tensor(scale[:, 0]), torch.tensor(zero[:, 0], dtype=torch.int32)
    theirs = torch.fake_quantize_per_channel_affine(x, *given, 0, -8, 7)
    theirs.sum().backward()
    y, cache = fake_quantize_forward(x.detach().numpy(), scale, zero=zero, low=-8, high=7)
    np.testing.assert_array_equal(y, theirs.detach().numpy())
    np.testing.assert_array_equal(fake_quantize_backward(np.ones_like(y), cache)[0], x.grad.numpy())


def test_the_learnt_scale_is_that_of_pytorchs_operation():
    x, scale = torch.tensor(TIES), torch.tensor([0.5], requires_grad=True)
    zero = torch.zeros(1)
    theirs = torch._fake_quantize_learnable_per_tensor_affine(x, scale, zero, -4, 7, 1.0)
    dy = np.linspace(-1, 1, len(TIES)).astype(np.float32)
    theirs.backward(torch.tensor(dy))
    _, cache = fake_quantize_forward(TIES, np.full((), 0.5, np.float32), low=-4, high=7)
    _, dscale = fake_quantize_backward(dy, cache)
    np.testing.assert_allclose(dscale, scale.grad[0], rtol=1e-5)


def test_the_gradient_is_that_of_the_function_with_the_roundings_error_held():
    rng = np.random.default_rng(0)
    x, scale = 2 * rng.standard_normal((3, 7)), np.array([[0.3], [0.5], [0.7]])
    q = np.rint(x / scale)
    error, inside = q - x / scale, (q >= -3) & (q <= 4)
    assert 0 < inside.sum() < inside.size

    def held(x, scale):
        return np.where(inside, x / scale + error, np.clip(q, -3, 4)) * scale

    dy = rng.standard_normal(x.shape)
    y, cache = fake_quantize_forward(x, scale, low=-3, high=4)
    np.testing.assert_allclose(held(x, scale), y)
    ours, theirs = fake_quantize_backward(dy, cache), finite_differences(held, x, scale, dy=dy)
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-7)


def test_a_symmetric_scale_holds_the_largest_and_no_zero_is_divided_by():
    x = np.array([[1.0, -3.5, 2], [0, 0, 0]])
    np.testing.assert_allclose(symmetric_scale(x, 4, by_row=True), [[0.5], [1]])
    np.testing.assert_allclose(symmetric_scale(x, 4), 0.5)
    assert symmetric_scale(np.zeros((0, 3), np.float32), 8).dtype == np.float32


@pytest.mark.parametrize("kind", BY_TYPE)
def test_every_float_of_eight_bits_and_every_tie_is_pytorchs(kind):
    every = torch.arange(256, dtype=torch.uint8).view(BY_TYPE[kind]).float().numpy()
    every = np.unique(every[np.isfinite(every)])
    x = np.concatenate([every, (every[1:] + every[:-1]) / 2, every * np.float32(1.01)])
    x = x[np.abs(x) <= every.max()]
    theirs = torch.tensor(x).to(BY_TYPE[kind]).float().numpy()
    np.testing.assert_array_equal(float8_forward(x, kind=kind)[0], theirs)


def test_infinity_is_clipped_and_learns_nothing():
    x = np.array([np.inf, -np.inf, 448, 449])
    y, cache = float8_forward(x)
    np.testing.assert_array_equal(y, [448, -448, 448, 448])
    np.testing.assert_array_equal(float8_backward(np.ones(4), cache), [0, 0, 1, 0])
    y, cache = fake_quantize_forward(x, np.ones(()), low=-8, high=7)
    np.testing.assert_array_equal(y, [7, -8, 7, 7])
    assert not fake_quantize_backward(np.ones(4), cache)[0].any()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x: fake_quantize_forward(x, np.zeros(())), ConfigError, "scale is not above 0"),
        (lambda x: fake_quantize_forward(x, np.ones(4)), ShapeError, r"scale \(4,\) does not"),
        (lambda x: fake_quantize_forward(x, np.ones((5, 3))), ShapeError, "does not broadcast"),
        (
            lambda x: fake_quantize_forward(x, np.ones(()), low=3, high=3),
            ConfigError,
            "low is 3 and high 3",
        ),
        (lambda x: fake_quantize_forward(x, np.ones(()), zero=200), ConfigError, "zero is 200"),
        (lambda x: float8_forward(x, kind="e3m4"), ConfigError, "kind is 'e3m4'"),
        (lambda x: float8_forward(x, scale=-1.0), ConfigError, "scale is not above 0"),
    ],
)
def test_what_cannot_be_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call(np.ones(3))
