"""Batches without their padding: the twin's loss and gradients are those of padded batches."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.config import RunConfig, TwinConfig
from npformer.models import make_model
from npformer.models.transformer import TransformerConfig
from npformer.text.batches import Batch
from tests.examples import examples
from tests.models.test_encoder_decoders import KINDS, SIZES
from tests.padded import PaddedMasks, padded_ids
from torch_ref.models import make_twin
from torch_ref.models.model import Model
from torch_ref.nn import Layer
from torch_ref.nn.token_grid import TokenGrid
from torch_ref.train import TorchEngine
from torch_ref.train.objective import TwinObjective, make_objective
from torch_ref.train.precision import Precision

CPU = torch.device("cpu")
FLOAT64 = Precision(torch.float64, torch.float64)
EPS = np.finfo(np.float64).eps


@examples(0.5)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32))
def test_the_grid_s_two_ways_are_transposes_of_each_other(rows, length, seed):
    torch.manual_seed(seed)
    shown = torch.rand(rows, length) < 0.6
    shown[torch.randint(rows, ()), torch.randint(length, ())] = True
    grid = TokenGrid(shown)
    n = int(shown.sum())
    x = torch.randn(1, n, 2, 3, dtype=torch.float64, requires_grad=True)
    y = torch.randn(rows, length, 2, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.zeros_like(y).masked_scatter(shown[:, :, None, None], x[0])
    assert torch.equal(grid.spread(x), expected)
    assert torch.equal(grid.collect(y), y[shown][None])
    assert torch.equal(grid.places[0], shown.nonzero()[:, 1])
    assert torch.autograd.gradcheck(grid.spread, x) and torch.autograd.gradcheck(grid.collect, y)
    assert torch.autograd.gradgradcheck(grid.spread, x)


def batch(rows: int, source: int, target: int, seed: int, left: bool) -> tuple:
    ids, targets = padded_ids(rows, source, target, SIZES["vocab_size"], seed, left=left)
    return {name: torch.tensor(each) for name, each in ids.items()}, torch.tensor(targets)


def loss_and_gradients(model, packed: bool, inputs, targets, chunk: int, masks=None):
    model.zero_grad()
    objective = TwinObjective(model, FLOAT64, chunk=chunk, packed=packed).train()
    loss = objective(inputs, targets, masks, no_target=0, label_smoothing=0.1)
    loss.backward()
    gradients = {
        n: torch.zeros(()) if p.grad is None else p.grad.clone()
        for n, p in model.named_parameters()
    }
    return loss.detach(), gradients


@functools.cache
def model_of(kind: str, dropout: float) -> Model:
    torch.manual_seed(0)
    config = TransformerConfig(**SIZES, dropout=dropout, **KINDS.get(kind, {}))
    model = make_twin(config, dtype=torch.float64)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


@examples(2)
@given(
    kind=st.sampled_from(["2017", *KINDS]),
    rows=st.integers(1, 4),
    source=st.integers(1, 7),
    target=st.integers(1, 7),
    left=st.booleans(),
    chunk=st.sampled_from([0, 3]),
    dropped=st.booleans(),
    seed=st.integers(0, 2**32),
)
@example("2017", 4, 7, 5, True, 3, True, 0)
@example("rotary", 4, 5, 7, True, 0, True, 1)
@example("windows", 4, 7, 6, True, 0, False, 2)
def test_loss_and_every_gradient_are_those_of_the_padded_batch(
    kind, rows, source, target, left, chunk, dropped, seed
):
    model = model_of(kind, 0.3 if dropped else 0.0)
    inputs, targets = batch(rows, source, target, seed, left)
    of_numpy = make_model(model.config, rng=np.random.default_rng(0))
    read = {name: ids.numpy() for name, ids in inputs.items()}
    grids = of_numpy.grids(read, targets.numpy() != 0)
    results = []
    for packed in (True, False):
        masks = None
        if dropped:
            masks = PaddedMasks(seed, SIZES["encoder_layers"], grids if packed else None)
        results.append(loss_and_gradients(model, packed, inputs, targets, chunk, masks))
    (loss, gradients), (padded_loss, padded) = results
    assert abs(loss - padded_loss) <= 64 * EPS * max(1, abs(padded_loss))
    largest = max(float(g.abs().max()) for g in padded.values())
    for name, gradient in gradients.items():
        assert (gradient - padded[name]).abs().max() <= 256 * EPS * max(largest, 1e-300), name


def test_what_pads_a_batch_is_never_computed():
    inputs, targets = batch(4, 7, 5, 2, False)
    config = RunConfig(model=TransformerConfig(**SIZES))
    objective = make_objective(config, FLOAT64, CPU)
    seen = []
    for layer in (objective.model.encoder.layers[0], objective.model.decoder.layers[0]):
        layer.register_forward_pre_hook(lambda layer, x: seen.append(tuple(x[0].shape)))
    objective(inputs, targets, no_target=0)
    kept = targets.flip(1).cumsum(1).flip(1) > 0  # up to a row's last target
    tokens = int((inputs["source"] != 0).sum()), int(kept.sum())
    assert seen == [(1, n, SIZES["d_model"]) for n in tokens] and kept.sum() < kept.numel()


def test_compiled_layers_take_padded_batches_and_replayed_dropout_does_not(monkeypatch):
    monkeypatch.setattr(Layer, "compile", lambda *args, **options: None)
    monkeypatch.setattr("torch_ref.train.objective.compiled_cross_entropy", lambda: None)
    inputs, targets = batch(4, 7, 5, 2, False)
    compiled = RunConfig(model=TransformerConfig(**SIZES), twin=TwinConfig(compile=True))
    assert not make_objective(compiled, FLOAT64, CPU).packed
    seen = []
    objective = make_objective(RunConfig(model=TransformerConfig(**SIZES)), FLOAT64, CPU)
    layer = objective.model.decoder.layers[0]
    layer.register_forward_pre_hook(lambda layer, x: seen.append(tuple(x[0].shape)))
    objective(inputs, targets, np.random.default_rng(0), no_target=0)
    kept = targets.flip(1).cumsum(1).flip(1) > 0  # up to a row's last target
    assert seen == [(1, int(kept.sum()), SIZES["d_model"])] and not kept.all()


@pytest.mark.parametrize("side", ["source", "targets"])
def test_nothing_but_padding_on_one_side_is_a_loss_of_finite_gradients(side):
    inputs, targets = batch(3, 4, 5, 3, False)
    (inputs["source"] if side == "source" else targets).zero_()
    config = RunConfig(model=TransformerConfig(**SIZES))
    engine = TorchEngine(config, device="cpu")
    arrays = {name: ids.numpy() for name, ids in inputs.items()}
    engine.gradients(Batch(arrays, targets.numpy()), (0, 1))
    for parameter in engine.model.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
