"""The walkthroughs' small table: right gradients agree, wrong ones and wrong shapes do not."""

import numpy as np
import pytest
import torch
from hypothesis import given

from npformer.errors import ShapeError
from npformer.ops import (
    embedding_backward,
    embedding_forward,
    layer_norm_backward,
    layer_norm_forward,
)
from npformer.verify import (
    agreement,
    arrays_like,
    autograd_gradients,
    finite_differences,
    seeds,
)


def forward(*arrays):
    return layer_norm_forward(*arrays)[0]


def twin(x, weight, bias):
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias)


@given(seeds())
def test_both_witnesses_find_the_gradients_of_layer_norm(seed):
    rng = np.random.default_rng(seed)
    x, weight, bias, dy = (rng.standard_normal(s) for s in ((2, 3, 5), 5, 5, (2, 3, 5)))
    before = x.copy()
    y, cache = layer_norm_forward(x, weight, bias)
    table = agreement(
        "dx dweight dbias",
        layer_norm_backward(dy, cache),
        finite_differences=finite_differences(forward, x, weight, bias, dy=dy),
        autograd=autograd_gradients(twin, x, weight, bias, dy=dy),
    )
    assert table.worst < 1e-6
    assert max(table.witnesses["autograd"]) < 1e-12
    np.testing.assert_array_equal(x, before)


@given(arrays_like("btd"))
def test_a_witness_is_exact_on_what_is_linear(arrays):
    (x,) = arrays
    dy = np.ones_like(x)
    assert agreement("dx", 2 * dy, twice=autograd_gradients(lambda t: 2 * t, x, dy=dy)).worst == 0.0


def test_a_gradient_that_is_off_is_far_from_its_witness():
    right = np.array([1.0, -4.0])
    table = agreement("dx", right + [0.0, 1.0], other=right)
    assert table.worst == 0.25
    assert "2.5e-01" in str(table)
    assert "| `dx` | 2.5e-01 |" in table._repr_markdown_()
    assert np.isnan(agreement("dx", right * np.nan, other=right).worst)


def test_ids_have_no_gradient():
    ids, weight = np.array([[1, 1, 0]]), np.arange(6.0).reshape(3, 2)
    dy = np.arange(6.0).reshape(1, 3, 2)
    y, cache = embedding_forward(ids, weight)
    by_differences = finite_differences(lambda i, w: embedding_forward(i, w)[0], ids, weight, dy=dy)
    by_autograd = autograd_gradients(torch.nn.functional.embedding, ids, weight, dy=dy)
    assert by_differences[0] is None
    assert by_autograd[0] is None
    ours = embedding_backward(dy, cache)
    table = agreement("dweight", ours, differences=by_differences, autograd=by_autograd)
    assert table.worst < 1e-9


def test_a_shape_that_would_broadcast_is_refused():
    with pytest.raises(ShapeError, match="dbias has shape"):
        agreement("dbias", np.zeros((1, 3)), other=np.zeros(3))
    with pytest.raises(ShapeError, match="2 gradients for the 1 names"):
        agreement("dx", (np.zeros(1), np.zeros(1)), other=np.zeros(1))
