from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from npformer.errors import ShapeError
from npformer.ops import embedding_backward, embedding_forward
from tests.ops.oracle import assert_same, autograd


@pytest.mark.parametrize("padding_idx", [None, 0, 3])
def test_agrees_with_pytorch_on_repeated_ids_and_padding(padding_idx):
    rng = np.random.default_rng(0)
    ids = np.array([[1, 1, 3, 0], [3, 1, 0, 0]])
    weight, dy = rng.standard_normal((5, 4)), rng.standard_normal((2, 4, 4))
    y, cache = embedding_forward(ids, weight, padding_idx=padding_idx)
    theirs = autograd(
        lambda w: F.embedding(torch.tensor(ids), w, padding_idx=padding_idx), dy, weight
    )
    assert_same(y, theirs[0])
    assert_same(embedding_backward(dy, cache), theirs[1])


def test_the_padding_row_is_read_but_never_trained():
    weight = np.arange(6.0).reshape(3, 2)
    y, cache = embedding_forward(np.array([2, 1]), weight, padding_idx=2)
    np.testing.assert_array_equal(y, [[4, 5], [2, 3]])
    np.testing.assert_array_equal(embedding_backward(y, cache), [[0, 0], [2, 3], [0, 0]])


@pytest.mark.parametrize("bad", [-1, 5, 10**12, -(2**63)])
def test_an_id_out_of_range_is_named(bad):
    with pytest.raises(IndexError, match=rf"token id {bad} is out of range.*\[0, 5\)"):
        embedding_forward(np.array([0, bad, 4]), np.zeros((5, 2)))


@pytest.mark.parametrize("ids", [np.array([0.0, 1.0]), np.array([True, False])])
def test_ids_must_be_integers(ids):
    with pytest.raises(ShapeError, match=f"token id has dtype {ids.dtype}"):
        embedding_forward(ids, np.zeros((5, 2)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_any_integer_dtype(dtype):
    ids = np.array([4, 0, 4], dtype)
    y, cache = embedding_forward(ids, np.eye(5))
    np.testing.assert_array_equal(y, np.eye(5)[[4, 0, 4]])
    np.testing.assert_array_equal(embedding_backward(y, cache).diagonal(), [1, 0, 0, 0, 2])


def test_a_single_id():
    y, cache = embedding_forward(np.array(1), np.eye(3))
    np.testing.assert_array_equal(y, [0, 1, 0])
    np.testing.assert_array_equal(embedding_backward(y, cache), np.diag([0.0, 1.0, 0.0]))


def test_one_word_that_fills_the_batch_loses_nothing():
    """2^20 times 1/3 in float32, added one by one, is 0.2% off."""
    dy = np.full((2**20, 1), 1 / 3, np.float32)
    _, cache = embedding_forward(np.zeros(2**20, np.int64), np.zeros((2, 1), np.float32))
    dweight = embedding_backward(dy, cache)
    np.testing.assert_array_equal(dweight, [[np.float32(1 / 3) * 2**20], [0]])


def test_it_is_the_linear_map_of_one_hot_rows():
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 7, 40)
    weight, dy = rng.standard_normal((7, 3)), rng.standard_normal((40, 3))
    onehot = np.eye(7)[ids]
    y, cache = embedding_forward(ids, weight)
    np.testing.assert_array_equal(y, onehot @ weight)
    np.testing.assert_allclose(embedding_backward(dy, cache), onehot.T @ dy, atol=1e-14)


def test_padding_learns_nothing_from_a_gradient_that_is_no_number():
    _, cache = embedding_forward(np.array([0, 1, 0]), np.ones((2, 3)), padding_idx=0)
    dy = np.array([[np.nan] * 3, [1.0, 2, 3], [np.inf] * 3])
    np.testing.assert_array_equal(embedding_backward(dy, cache), [[0.0, 0, 0], [1, 2, 3]])
