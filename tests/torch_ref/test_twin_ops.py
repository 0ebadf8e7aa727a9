"""What the twin's table of ops adds to PyTorch's functions, and what it relies on them for."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import npformer.ops
from npformer.cards.discovery import op_cards
from npformer.ops.masks import causal_mask, padding_mask
from npformer.ops.positions import sinusoidal_positions
from torch_ref import ops


def draw(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype)


@pytest.mark.parametrize("card", op_cards(), ids=lambda card: card.name)
def test_the_twin_of_an_op_has_its_arguments(card):
    theirs = inspect.signature(card.twin).parameters
    ours = card.arguments
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]
    for p in theirs.values():
        assert p.default in (p.empty, ours[p.name].default)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value_size", [4, 3], ids=["one kernel", "another"])
def test_a_query_that_may_attend_to_nothing_gives_zero_and_gets_zero(dtype, value_size):
    q, k = draw(2, 5, 3, 4, seed=1, dtype=dtype), draw(2, 6, 3, 4, seed=2, dtype=dtype)
    v = draw(2, 6, 3, value_size, seed=3, dtype=dtype)
    for leaf in (q, k, v):
        leaf.requires_grad_()
    mask = torch.ones(2, 1, 1, 6, dtype=torch.bool)
    mask[0] = False
    y = ops.attention(q, k, v, mask)
    y.backward(draw(*y.shape, seed=4, dtype=dtype))
    for array in (y, q.grad, k.grad, v.grad):
        assert not array[0].any()
        assert array[1].all()
        assert array.isfinite().all()


@pytest.mark.parametrize(("t", "s"), [(4, 4), (3, 6), (6, 3)])
def test_a_mask_and_causality_hold_together(t, s):
    q, k, v = draw(2, t, 2, 4, seed=1), draw(2, s, 2, 4, seed=2), draw(2, s, 2, 4, seed=3)
    mask = torch.arange(s)[None, None, None, :] < torch.tensor([s, s - 1])[:, None, None, None]
    scores = torch.einsum("BTNH,BSNH->BNTS", q, k) / 2
    hidden = ~(mask & torch.ones(t, s, dtype=torch.bool).tril(s - t))
    probs = scores.masked_fill(hidden, -torch.inf).softmax(-1).nan_to_num()  # what sees nothing: 0
    expected = torch.einsum("BNTS,BSNH->BTNH", probs, v)
    torch.testing.assert_close(ops.attention(q, k, v, mask, causal=True), expected)
    no_mask = torch.ones(1, 1, 1, s, dtype=torch.bool)
    torch.testing.assert_close(
        ops.attention(q, k, v, causal=True), ops.attention(q, k, v, no_mask, causal=True)
    )


def test_dropout_replays_the_masks_of_the_numpy_op():
    x = draw(40, 50)
    rng, same = np.random.default_rng(7), np.random.default_rng(7)
    for _ in range(2):  # the second draw goes on where the first one stopped
        y = ops.dropout(x, 0.3, rng)
        expected, _ = npformer.ops.dropout_forward(x.numpy(), 0.3, same)
        np.testing.assert_array_equal(y.numpy(), expected)
    assert 0.2 < (y == 0).double().mean() < 0.4


def test_dropout_without_a_generator_or_a_probability_is_the_identity():
    x, rng = draw(3, 4), np.random.default_rng(0)
    before = rng.bit_generator.state
    assert ops.dropout(x, 0.3, None) is x
    assert ops.dropout(x, 0.0, rng) is x
    assert rng.bit_generator.state == before
    assert not ops.dropout(x, 1.0, rng).any()


def test_cross_entropy_of_any_rank():
    logits, targets = draw(2, 3, 5), torch.tensor([[0, 4, -100], [2, -100, 1]])
    by_row = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    torch.testing.assert_close(ops.cross_entropy(logits, targets, reduction="none"), by_row)
    total = ops.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(total, by_row.sum())
    one = ops.cross_entropy(logits[0, 0], targets[0, 0], reduction="none")
    torch.testing.assert_close(one, by_row[0, 0])


def test_cross_entropy_that_ignores_nothing():
    logits, targets = draw(2, 3, 5), torch.tensor([[0, 4, 3], [2, 0, 1]])
    torch.testing.assert_close(
        ops.cross_entropy(logits, targets, ignore_index=None), ops.cross_entropy(logits, targets)
    )
    with pytest.raises(IndexError):
        ops.cross_entropy(logits, targets.fill_(-100), ignore_index=None)


@pytest.mark.parametrize(("length", "d_model"), [(0, 4), (1, 1), (50, 7), (300, 512)])
def test_positions_are_those_of_the_numpy_model(length, d_model):
    theirs = ops.sinusoidal_positions(length, d_model, dtype=torch.float64).numpy()
    ours = sinusoidal_positions(length, d_model, dtype=np.float64)
    assert ours.shape == theirs.shape
    # An angle of up to 300 radians is known to half a unit in its last place, 300 eps.
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-13)


def test_masks_are_those_of_the_numpy_model():
    ids = np.array([[4, 5, 0], [7, 0, 0], [0, 0, 0]])
    theirs = ops.padding_mask(torch.tensor(ids), 0)
    np.testing.assert_array_equal(theirs.numpy(), padding_mask(ids, 0))
    for sizes in ((4,), (3, 5), (5, 3), (0, 2)):
        np.testing.assert_array_equal(ops.causal_mask(*sizes).numpy(), causal_mask(*sizes))
