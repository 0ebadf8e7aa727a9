from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from npformer.errors import ConfigError, ShapeError
from npformer.ops import cross_entropy_backward, cross_entropy_forward
from tests.ops.oracle import assert_same, autograd

INF, NAN = np.inf, np.nan
REDUCTIONS = ("mean", "sum", "none")


def compare(logits, targets, **options):
    """[loss, dlogits] of ours and of PyTorch's, with a random upstream gradient."""
    loss, cache = cross_entropy_forward(logits, targets, **options)
    dloss = np.asarray(np.random.default_rng(9).standard_normal(loss.shape), loss.dtype)
    weight = options.pop("weight", None)
    theirs = autograd(
        lambda x: F.cross_entropy(
            x.movedim(-1, min(1, x.ndim - 1)),
            torch.tensor(targets),
            weight=None if weight is None else torch.tensor(weight),
            **options,
        ),
        dloss,
        logits,
    )
    return [loss, cross_entropy_backward(dloss, cache)], theirs


def draw(seed=0, shape=(3, 4), classes=6, dtype=np.float64):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((*shape, classes)).astype(dtype)
    return logits, rng.integers(0, classes, shape), rng.random(classes).astype(dtype)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignore_index", [-100, 2, 99])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_combination_of_options(reduction, label_smoothing, weighted, ignore_index, dtype):
    logits, targets, weight = draw(dtype=dtype)
    if ignore_index < 0:
        targets[0, :2] = ignore_index
    ours, theirs = compare(
        logits,
        targets,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
        reduction=reduction,
        weight=weight if weighted else None,
    )
    assert_same(ours[0], theirs[0], eps=16)
    assert_same(ours[1], theirs[1], eps=16)


EDGES = {
    "a class ruled out": [[-INF, 0.0, 1.0], [0.0, 1.0, 2.0]],
    "the target ruled out": [[0.0, -INF, 1.0], [0.0, 1.0, 2.0]],
    "all ruled out": [[-INF, -INF, -INF], [0.0, 1.0, 2.0]],
    "infinite logit": [[0.0, INF, 1.0], [0.0, 1.0, 2.0]],
    "not a number": [[0.0, NAN, 1.0], [0.0, 1.0, 2.0]],
    "huge": [[1e30, -1e30, 0.0], [1e30, 1e30, 1e30]],
    "largest": [[3e38, -3e38, 0.0], [0.0, 1.0, 2.0]],
    "subnormal": [[1e-45, -1e-45, 0.0], [0.0, 0.0, 0.0]],
    "far apart": [[0.0, -100.0, -800.0], [-800.0, -100.0, 0.0]],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", EDGES.values(), ids=EDGES)
def test_edges_agree_with_pytorch(rows, label_smoothing, dtype):
    ours, theirs = compare(
        np.array(rows, dtype), np.array([1, 0]), label_smoothing=label_smoothing, reduction="none"
    )
    assert_same(ours[0], theirs[0])
    assert_same(ours[1], theirs[1])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_nothing_to_learn_costs_nothing(reduction, label_smoothing):
    """Better than PyTorch 2.13, whose mean is 0 / 0 = NaN and spoils the sum over batches."""
    logits, targets, _ = draw()
    options = dict(label_smoothing=label_smoothing, reduction=reduction)
    loss, cache = cross_entropy_forward(logits, np.full_like(targets, -100), **options)
    assert loss.shape == ()
    assert loss == 0
    assert not cross_entropy_backward(np.array(3.0), cache).any()


ONE_FREE = np.array([1.0, 0.0, 1.0])
"""Class weights: class 1 costs nothing."""


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_the_mean_over_targets_of_weight_zero_is_zero(rows, label_smoothing):
    """Nothing to divide by. PyTorch 2.13 gives NaN, loss and gradient."""
    logits, targets = draw(5, (rows,), 3)[0], np.ones(rows, int)
    options = dict(weight=ONE_FREE, label_smoothing=label_smoothing)
    ours, theirs = compare(logits, targets, **options)
    assert all(np.isnan(each).all() for each in theirs)
    assert not any(each.any() for each in ours)


@pytest.mark.parametrize("reduction", ["sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_what_smoothing_charges_targets_of_weight_zero_is_pytorchs(label_smoothing, reduction):
    options = dict(weight=ONE_FREE, label_smoothing=label_smoothing, reduction=reduction)
    ours, theirs = compare(draw(5, (4,), 3)[0], np.ones(4, int), **options)
    assert_same(ours[0], theirs[0])
    assert_same(ours[1], theirs[1])
    assert ours[0].any() == (label_smoothing > 0)


@pytest.mark.parametrize("target", [0, 1])
def test_a_class_of_weight_zero_that_is_ruled_out_costs_nothing(target):
    """0 times -log 0. PyTorch's loss is NaN, its gradient is ours."""
    options = dict(weight=ONE_FREE, label_smoothing=0.1, reduction="sum")
    logits = np.array([[0.5, -INF, 1.0]])
    ours, theirs = compare(logits, np.array([target]), **options)
    assert np.isnan(theirs[0])
    without = cross_entropy_forward(np.where(np.isinf(logits), -800, logits),
                                    np.array([target]), **options)[0]  # fmt: skip
    assert_same(ours[0], without)
    assert_same(ours[1], theirs[1])


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_an_ignored_row_may_hold_anything(bad, label_smoothing):
    logits, targets, _ = draw(1)
    targets[1, 2] = -100
    clean, clean_cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing)
    logits = logits.copy()
    logits[1, 2] = bad
    loss, cache = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing)
    dlogits = cross_entropy_backward(np.array(1.0), cache)
    assert loss == clean
    np.testing.assert_array_equal(dlogits, cross_entropy_backward(np.array(1.0), clean_cache))
    assert not dlogits[1, 2].any()


def test_ignored_rows_are_zero_where_nothing_is_reduced():
    logits, targets, _ = draw(2)
    targets[0] = -100
    loss, _ = cross_entropy_forward(logits, targets, reduction="none")
    assert loss.shape == targets.shape
    assert not loss[0].any()
    assert (loss[1:] > 0).all()


def test_without_an_ignore_index_minus_100_is_out_of_range():
    with pytest.raises(IndexError, match=r"target -100 is out of range.*\[0, 6\)"):
        cross_entropy_forward(np.zeros((1, 6)), np.array([-100]), ignore_index=None)


@pytest.mark.parametrize("bad", [-1, 6, 10**15])
def test_a_target_out_of_range_is_named(bad):
    with pytest.raises(IndexError, match=f"target {bad} is out of range"):
        cross_entropy_forward(np.zeros((2, 6)), np.array([0, bad]))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_any_integer_dtype(dtype):
    loss, _ = cross_entropy_forward(np.zeros((2, 6)), np.array([5, 0], dtype))
    assert loss == pytest.approx(math.log(6), rel=1e-15)


def test_targets_must_be_integers():
    with pytest.raises(ShapeError, match="target has dtype float64"):
        cross_entropy_forward(np.zeros((2, 6)), np.array([0.0, 1.0]))


def test_targets_must_have_the_rows_of_the_logits():
    with pytest.raises(ShapeError, match=r"targets \(3, 2\) do not fit logits \(2, 3, 6\)"):
        cross_entropy_forward(np.zeros((2, 3, 6)), np.zeros((3, 2), int))


def test_an_unknown_reduction_is_named():
    with pytest.raises(ConfigError, match=r"'maen'.*did you mean 'mean'"):
        cross_entropy_forward(np.zeros((2, 6)), np.zeros(2, int), reduction="maen")


@pytest.mark.parametrize("weighted", [False, True])
def test_a_row_of_the_gradient_sums_to_zero(weighted):
    """Adding a constant to a row of logits changes no probability."""
    logits, targets, weight = draw(3)
    _, cache = cross_entropy_forward(
        logits, targets, label_smoothing=0.2, weight=weight if weighted else None
    )
    dlogits = cross_entropy_backward(np.array(2.0), cache)
    np.testing.assert_allclose(dlogits.sum(axis=-1), 0, atol=1e-15)


def test_the_smoothed_target_is_where_the_gradient_vanishes():
    target = np.full(5, 0.1 / 5)
    target[3] += 0.9
    _, cache = cross_entropy_forward(np.log(target)[None], np.array([3]), label_smoothing=0.1)
    np.testing.assert_allclose(cross_entropy_backward(np.array(1.0), cache), 0, atol=1e-15)


def test_ties_at_any_height_cost_the_logarithm_of_their_number():
    for height in (-1e30, 0.0, 1e-45, 1e30):
        loss, _ = cross_entropy_forward(np.full((2, 8), height, np.float32), np.array([0, 7]))
        assert loss == pytest.approx(math.log(8), rel=1e-7)


def test_a_sure_answer_that_is_wrong_costs_the_margin():
    loss, cache = cross_entropy_forward(np.array([[1e30, 0.0]], np.float32), np.array([1]))
    assert loss == np.float32(1e30)
    np.testing.assert_array_equal(cross_entropy_backward(np.array(1.0), cache), [[1, -1]])


def test_one_array_of_the_logits_size_is_kept():
    logits, targets, weight = draw(4, shape=(16,), classes=50)
    _, cache = cross_entropy_forward(logits, targets, label_smoothing=0.1, weight=weight)
    kept = [a for a in cache if isinstance(a, np.ndarray) and a.size >= logits.size]
    assert len(kept) == 1
    assert not np.shares_memory(kept[0], logits)


def test_a_single_row_needs_no_batch_axis():
    ours, theirs = compare(np.array([0.5, 2.0, -1.0]), np.array(2))
    assert_same(ours[0], theirs[0])
    assert_same(ours[1], theirs[1])
