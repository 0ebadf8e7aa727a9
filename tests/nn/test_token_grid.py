"""Batches without their padding: logits and gradients are those of padded batches."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.config import RunConfig, TrainConfig
from npformer.models import make_model
from npformer.models.transformer import TransformerConfig
from npformer.nn import Layer
from npformer.nn.token_grid import PackedMask, TokenGrid
from npformer.seam import replacing
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from tests.examples import examples
from tests.models.test_encoder_decoders import KINDS, SIZES
from tests.padded import PaddedMasks, padded_ids

EPS = np.finfo(np.float64).eps


@examples(0.5)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32))
def test_the_grid_s_two_ways_are_transposes_of_each_other(rows, length, seed):
    rng = np.random.default_rng(seed)
    shown = rng.random((rows, length)) < 0.6
    shown[rng.integers(rows), rng.integers(length)] = True
    grid = TokenGrid(shown)
    x, y = rng.normal(size=(1, int(shown.sum()), 2, 3)), rng.normal(size=(*shown.shape, 2, 3))
    np.testing.assert_array_equal(grid.spread(x)[shown], x[0])
    assert not grid.spread(x)[~shown].any()
    np.testing.assert_array_equal(grid.collect(y)[0], y[shown])
    assert np.vdot(grid.spread(x), y) == pytest.approx(np.vdot(x, grid.collect(y)), abs=1e-12)
    np.testing.assert_array_equal(grid.places[0], shown.nonzero()[1])
    mask = PackedMask(grid, TokenGrid(np.ones((rows, length), bool)), None)
    np.testing.assert_array_equal(mask.collect(y, y, 2 * y)[2][0], 2 * y.reshape(-1, 2, 3))


@functools.cache
def model_of(kind: str):
    """With every parameter off its initial value."""
    config = TransformerConfig(**SIZES, dropout=0.3, **KINDS.get(kind, {}))
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.data.shape)
    return model


def logits_and_gradients(model, ids, dlogits, masks, grids=None):
    for parameter in model.parameters():
        parameter.grad = None
    logits, cache = model.forward(**ids, rng=masks, grids=grids)
    model.backward(dlogits, cache)
    return logits, {
        n: np.zeros(()) if p.grad is None else p.grad.copy() for n, p in model.named_parameters()
    }


@examples(2)
@given(
    kind=st.sampled_from(["2017", *KINDS]),
    rows=st.integers(1, 4),
    source=st.integers(1, 7),
    target=st.integers(1, 7),
    left=st.booleans(),
    dropped=st.booleans(),
    seed=st.integers(0, 2**32),
)
@example("2017", 4, 7, 5, True, True, 0)
@example("rotary", 4, 5, 7, True, True, 1)
@example("windows", 4, 7, 6, True, False, 2)
@example("t5", 3, 6, 7, False, True, 3)
def test_logits_and_every_gradient_are_those_of_the_padded_batch(
    kind, rows, source, target, left, dropped, seed
):
    model = model_of(kind)
    ids, targets = padded_ids(rows, source, target, SIZES["vocab_size"], seed, left=left)
    grids = model.grids(ids, targets != 0)
    if grids is None:
        return
    shown = np.zeros(grids["to"].shape, bool)
    shown[:] = grids["to"].spread(np.ones((1, grids["to"].places.size)))
    dlogits = np.random.default_rng(seed + 1).normal(size=(*shown.shape, SIZES["vocab_size"]))
    dlogits *= shown[..., None]

    def masks(of_packed):
        return PaddedMasks(seed, SIZES["encoder_layers"], of_packed) if dropped else None

    padded, expected = logits_and_gradients(model, ids, dlogits, masks(None))
    packed = grids["to"].collect(dlogits)
    logits, gradients = logits_and_gradients(model, ids, packed, masks(grids), grids)
    assert np.abs(logits[0] - padded[shown]).max() <= 256 * EPS * np.abs(padded).max()
    largest = max(float(np.abs(g).max()) for g in expected.values())
    for name, gradient in gradients.items():
        assert np.abs(gradient - expected[name]).max() <= 256 * EPS * largest, name


def test_workers_compute_no_padding_and_share_its_want():
    rng = np.random.default_rng(0)
    lengths = np.array([1, 2, 3, 4, 5, 6, 7, 8])[:, None]  # as batches are sorted
    ids = rng.integers(4, 13, (3, 8, 8)) * (np.arange(8) < lengths)
    batch = Batch.of_pairs(*ids)
    train = TrainConfig(dtype="float64", workers=2)
    engine = NumpyEngine(RunConfig(model=TransformerConfig(**SIZES), train=train))
    seen = []

    def counted(self, x, *arguments):
        seen.append(x.shape)
        return self.forward(x, *arguments)

    with replacing({Layer.forward: counted}):
        engine.gradients(batch, (0, 1))
        assert set(seen) == {(1, 16, SIZES["d_model"]), (1, 20, SIZES["d_model"])}
        seen.clear()
        engine.evaluate(batch)
        assert set(seen) == {(1, 16, SIZES["d_model"]), (1, 20, SIZES["d_model"])}


@pytest.mark.parametrize("side", ["source", "targets"])
def test_nothing_but_padding_on_one_side_is_a_loss_of_finite_gradients(side):
    ids, targets = padded_ids(3, 4, 5, SIZES["vocab_size"], 3)
    (ids["source"] if side == "source" else targets)[...] = 0
    engine = NumpyEngine(RunConfig(model=TransformerConfig(**SIZES), train=TrainConfig(workers=1)))
    assert engine.model.grids(ids, targets != 0) is None
    engine.gradients(Batch(ids, targets), (0, 1))
    for parameter in engine.model.parameters():
        assert parameter.grad is None or np.isfinite(parameter.grad).all()
