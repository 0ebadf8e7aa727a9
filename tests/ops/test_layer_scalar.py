"""What the card of the layer scalar does not say: a number that is not learned, and many tokens."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.nn import LayerScalar
from npformer.ops.layer_scalar import layer_scalar_backward, layer_scalar_forward


def test_of_a_fixed_number_no_input_is_kept():
    layer = LayerScalar(trainable=False, dtype=np.float64)
    layer.weight.data[:] = 0.25
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    y, cache = layer.forward(x)
    np.testing.assert_array_equal(y, x / 4)
    assert cache.x is None
    np.testing.assert_array_equal(layer.backward(x, cache), x / 4)
    assert layer.weight.grad is None


def test_a_sum_over_many_float32_tokens_keeps_its_digits():
    x = np.full((20_000, 3), 0.1, np.float32)
    _, cache = layer_scalar_forward(x, np.full(1, 2, np.float32))
    _, dweight = layer_scalar_backward(np.ones_like(x), cache)
    assert dweight == pytest.approx(60_000 * float(np.float32(0.1)), rel=3e-7)
    assert dweight.dtype == np.float32
