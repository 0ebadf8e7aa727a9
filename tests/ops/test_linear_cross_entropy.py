from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.ops import (
    cross_entropy_backward,
    cross_entropy_forward,
    linear_backward,
    linear_cross_entropy_backward,
    linear_cross_entropy_forward,
    linear_forward,
)


def arrays(rng, rows, width, classes):
    x = rng.standard_normal((rows, width))
    weight = rng.standard_normal((classes, width))
    return x, weight, rng.integers(0, classes, rows)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_it_is_linear_and_then_cross_entropy(reduction):
    rng = np.random.default_rng(0)
    x, weight, targets = arrays(rng, 37, 5, 53)
    targets[::4] = -100
    options = {"label_smoothing": 0.1, "reduction": reduction}
    logits, linear = linear_forward(x, weight)
    expected, cache = cross_entropy_forward(logits, targets, **options)
    dloss = rng.standard_normal(expected.shape)
    dx, dweight, _ = linear_backward(cross_entropy_backward(dloss, cache), linear)
    loss, cache = linear_cross_entropy_forward(
        x, weight, targets, row_block=8, class_block=16, **options
    )
    gradients = linear_cross_entropy_backward(dloss, cache)
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    np.testing.assert_allclose(gradients[0], dx, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gradients[1], dweight, rtol=1e-11, atol=1e-13)


def test_the_logits_are_never_all_there():
    """512 rows of 20,000 classes would be 82 MB of logits; what is needed is a few blocks."""
    rng = np.random.default_rng(1)
    x, weight, targets = arrays(rng, 512, 4, 20_000)
    tracemalloc.start()
    loss, cache = linear_cross_entropy_forward(x, weight, targets, row_block=64, class_block=1024)
    linear_cross_entropy_backward(np.ones_like(loss), cache)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    block = 64 * 1024 * 8
    assert peak < 6 * block + 3 * weight.nbytes < 512 * 20_000 * 8 / 10


def test_what_an_ignored_row_holds_does_no_harm():
    x, weight, targets = arrays(np.random.default_rng(2), 4, 3, 6)
    x[1], targets[1] = np.nan, -100
    loss, cache = linear_cross_entropy_forward(x, weight, targets)
    dx, dweight = linear_cross_entropy_backward(np.ones_like(loss), cache)
    assert np.isfinite(loss) and np.isfinite(dx).all() and np.isfinite(dweight).all()
    assert not dx[1].any()


def test_what_cannot_be_meant_is_refused():
    x, weight, targets = arrays(np.random.default_rng(3), 4, 3, 6)
    with pytest.raises(ConfigError, match="softcap is 0"):
        linear_cross_entropy_forward(x, weight, targets, softcap=0.0)
    with pytest.raises(ConfigError, match="class_block is 0"):
        linear_cross_entropy_forward(x, weight, targets, class_block=0)
    with pytest.raises(ConfigError, match="'average'.*mean, sum, none"):
        linear_cross_entropy_forward(x, weight, targets, reduction="average")
    with pytest.raises(ShapeError, match=r"targets \(3,\) do not fit x \(4, 3\)"):
        linear_cross_entropy_forward(x, weight, targets[:3])
    with pytest.raises(IndexError, match="6 is out of range"):
        linear_cross_entropy_forward(x, weight, np.array([0, 6, 1, 2]))
