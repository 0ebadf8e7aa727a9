"""Tokens behind the next one: their losses in both engines, in packed rows, in training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from npformer.config import RunConfig
from npformer.config.run import TrainConfig, TwinConfig
from npformer.errors import ConfigError
from npformer.models.gpt import GPT, GPTConfig
from npformer.models.loss import NO_TARGET
from npformer.ops.cross_entropy import cross_entropy_forward
from npformer.plan.flops import batch_flops
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from tests.models.decoders import DEEPSEEK, GEMMA, MIXTRAL, QWEN_NEXT, SIZES, T5
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin
from torch_ref.train.engine import TorchEngine

RNG = np.random.default_rng
FAMILIES = {
    "gpt-2": {},
    "deepseek": DEEPSEEK,
    "gemma": GEMMA,
    "mixtral": MIXTRAL,
    "qwen3-next": QWEN_NEXT,
    "t5": T5,
}
DOCUMENTS = np.array([[1, 1, 1, 2, 2, 2, 2, 0, 0], [0, 1, 1, 1, 1, 1, 1, 2, 2],
                      [1, 2, 3, 3, 3, 4, 4, 4, 4]])  # fmt: skip


def a_model(**changes):
    """With every parameter off its initial value."""
    config = GPTConfig(**{**SIZES, "dropout": 0.0, "predict_ahead": 2, **changes})
    model = GPT(config, rng=RNG(0), dtype=np.float64)
    rng = RNG(1)
    for parameter in model.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.data.shape)
    return model


def some_rows(rows=3, length=9):
    ids = RNG(2).integers(1, SIZES["vocab_size"], (rows, length + 1))
    return ids[:, :-1], ids[:, 1:]


def gradients(model):
    found = {n: p.grad.copy() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def run(model, ids, targets, documents=None):
    """The auxiliary losses and the gradients of them alone."""
    logits, cache = model.forward(ids, documents=documents, targets=targets)
    model.backward(np.zeros_like(logits), cache)
    return cache.auxiliary.loss, gradients(model)


@pytest.mark.parametrize("packed", [False, True], ids=["a text a row", "several texts"])
@pytest.mark.parametrize("settings", FAMILIES.values(), ids=FAMILIES)
def test_both_engines_have_the_same_losses_and_gradients(settings, packed):
    model = a_model(**settings | {"dropout": 0.2})
    twin = make_twin(model.config, dtype=torch.float64).train()
    to_torch(model.state_dict(), twin)
    ids, targets = some_rows()
    documents = DOCUMENTS if packed else None
    targets = np.where(DOCUMENTS == 0, NO_TARGET, targets)
    logits, cache = model.forward(ids, RNG(3), documents=documents, targets=targets)
    dlogits = RNG(4).standard_normal(logits.shape)
    model.backward(dlogits, cache)
    tensors = [None if a is None else torch.tensor(a) for a in (documents, targets)]
    other, auxiliary = twin(torch.tensor(ids), RNG(3), documents=tensors[0], targets=tensors[1])
    ((other * torch.tensor(dlogits)).sum() + auxiliary.loss).backward()
    np.testing.assert_allclose(cache.auxiliary.loss, auxiliary.loss.item(), rtol=1e-12)
    if auxiliary.load is not None:
        np.testing.assert_array_equal(cache.auxiliary.load, auxiliary.load)
    for name, parameter in twin.named_parameters():
        if parameter.requires_grad:
            ours = dict(model.named_parameters())[name].grad
            np.testing.assert_allclose(ours, parameter.grad, atol=1e-11, err_msg=name)


def test_the_first_stage_by_hand():
    """Its logits at t are made of the state at t and of token t + 1, and asked for token t + 2."""
    model = a_model(predict_ahead=1, predict_ahead_loss=0.7)
    ids, targets = some_rows()
    y, _ = model.decoder.forward(model._embed(ids)[0])
    e = model.embedding.weight.data[ids[:, 1:]]
    h, _ = model.ahead[0].forward(y[:, :-1], e)
    logits = h @ model.embedding.weight.data.T
    right, _ = cross_entropy_forward(logits, targets[:, 1:], reduction="sum")
    np.testing.assert_allclose(run(model, ids, targets)[0], 0.7 * right, rtol=1e-12)


@pytest.mark.parametrize("settings", [{}, T5, QWEN_NEXT, {"positions": "rotary", "window": 2}])
def test_a_text_in_a_row_has_the_losses_that_it_has_alone(settings):
    """And no gradient of it goes to another, whose tokens may be anything."""
    model = a_model(**settings)
    ids, targets = some_rows(rows=1)
    documents = np.array([[0, 1, 1, 1, 1, 2, 2, 2, 0]])
    targets = np.where(documents == 0, NO_TARGET, targets)
    loss, found = run(model, ids, targets, documents)
    alone = [run(model, ids[:, part], targets[:, part]) for part in (slice(1, 5), slice(5, 8))]
    np.testing.assert_allclose(loss, sum(each for each, _ in alone), rtol=1e-12)
    for name, gradient in found.items():
        total = sum(grads.get(name, 0) for _, grads in alone)
        np.testing.assert_allclose(gradient, total, atol=1e-11, err_msg=name)


def test_a_text_that_ends_too_soon_adds_nothing():
    model = a_model()
    ids, targets = some_rows(length=1)
    loss, found = run(model, ids, targets)
    assert loss == 0
    assert not any(gradient.any() for gradient in found.values())


@pytest.mark.parametrize("settings", [{}, MIXTRAL])
def test_splitting_a_batch_changes_nothing(settings):
    model = a_model(**settings)
    ids, targets = some_rows()
    loss, whole = run(model, ids, targets)
    parts = [run(model, ids[part], targets[part]) for part in (slice(1), slice(1, 3))]
    np.testing.assert_allclose(loss, sum(each for each, _ in parts), rtol=1e-12)
    for name, gradient in whole.items():
        np.testing.assert_allclose(gradient, sum(g[name] for _, g in parts), atol=1e-12)


def test_decoding_and_the_logits_leave_it_out():
    model, ids = a_model(), some_rows()[0]
    plain = a_model(predict_ahead=0)
    state = {n: a for n, a in model.state_dict().items() if not n.startswith("ahead.")}
    plain.load_state_dict(state)
    logits, _ = model.forward(ids, targets=some_rows()[1])
    np.testing.assert_array_equal(logits, plain.forward(ids)[0])
    np.testing.assert_allclose(model.step(ids, model.start()), logits[:, -1], atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {**DEEPSEEK, "logit_softcap": 5.0}])
def test_both_engines_train_alike(settings):
    """By chunks of the loss or not, over several threads, with activations made again."""
    model = GPTConfig(**{**SIZES, **settings, "dropout": 0.0, "predict_ahead": 2})
    config = RunConfig(model=model, train=TrainConfig(workers=2, dtype="float64"))
    ids, targets = some_rows()
    targets[0, 5:] = 0
    batch = Batch({"target": ids}, targets)
    drawn = {n: a.copy() for n, a in NumpyEngine(config).model.state_dict().items()}
    steps = []
    for chunk, again in ((0, False), (4, True)):
        train = dataclasses.replace(config.train, checkpoint_activations=again)
        twin = TwinConfig(loss_chunk=chunk, device="cpu")
        changed = dataclasses.replace(config, twin=twin, train=train)
        for engine_of in NumpyEngine, TorchEngine:
            engine = engine_of(changed, weights={n: a.copy() for n, a in drawn.items()})
            found = []
            for seed in range(3):
                engine.gradients(batch, (seed,))
                found.append(engine.update(0.01))
            steps.append(found)
    for others in steps[1:]:
        np.testing.assert_allclose(others, steps[0], rtol=1e-9)


def test_the_plan_counts_the_layers_and_their_products():
    sizes = {**SIZES, "vocab_size": 32}
    counts = [batch_flops(GPTConfig(**sizes, predict_ahead=k), [9], [9]) for k in (0, 1, 2)]
    assert 0 < counts[2] - counts[1] < counts[1] - counts[0] < counts[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"predict_ahead": -1}, "predict_ahead is -1; it must be 0, or less than max_length, 20"),
        ({"predict_ahead": 20}, "predict_ahead is 20; it must be 0, or less than max_length, 20"),
        ({"predict_ahead": 1, "predict_ahead_loss": 0.0}, "predict_ahead_loss is 0.0; it must be"),
        ({"predict_ahead_loss": 0.1}, "and none is predicted; give predict_ahead"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        GPTConfig(**{**SIZES, **settings})
