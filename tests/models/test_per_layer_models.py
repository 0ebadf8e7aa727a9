"""A decoder whose layers have embeddings of their own: both engines alike, trained and stepped."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from npformer.cli.main import main
from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batch
from npformer.train.engines import load_model
from npformer.train.numpy_engine import NumpyEngine
from npformer.verify.bisect import bisect
from tests.models.moved import moved
from torch_ref.train import TorchEngine

SIZES: dict[str, Any] = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=12, layers=3)
LATER: dict[str, Any] = dict(positions="rotary", activation="geglu_tanh", norm_type="rms_norm")
CONFIGS = {
    "gpt": GPTConfig(**SIZES, dropout=0.2, per_layer_size=5),
    "few": GPTConfig(**SIZES, **LATER, dropout=0.0, per_layer_size=4, per_layer_vocab=6),
    "parallel": GPTConfig(**SIZES, dropout=0.0, per_layer_size=3, parallel=True),
    "streams": GPTConfig(**SIZES, dropout=0.0, per_layer_size=3, streams=2),
    "t5": GPTConfig(**SIZES, dropout=0.0, per_layer_size=3, positions="t5"),
    "delta": GPTConfig(**SIZES, dropout=0.0, per_layer_size=3, delta_pattern="DA"),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def batch_of(seed=2):
    ids = np.random.default_rng(seed).integers(1, 17, (2, 3, 7))
    return Batch({"target": ids[0]}, ids[1])


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    model, twin = moved(config)
    inputs, dlogits = batch_of().inputs, np.random.default_rng(3).standard_normal((3, 7, 17))
    documents = np.array([[1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 2, 0, 0]])
    logits, cache = model.forward(**inputs, documents=documents)
    model.backward(dlogits, cache)
    theirs = twin(torch.tensor(inputs["target"]), documents=torch.tensor(documents))
    theirs.backward(torch.tensor(dlogits))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), atol=1e-12)
    expected = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        other = expected[name].grad.numpy()
        np.testing.assert_allclose(parameter.grad, other, atol=1e-10, err_msg=name)
    assert bisect(*moved(replace(config, layer_norm_eps=0.5)), batch_of()).passed
    assert np.abs(dict(model.named_parameters())["per_layer.table.weight"].grad).max() > 1e-3


@configs
def test_a_step_is_the_whole_forward_and_no_logit_sees_a_later_token(config):
    model, twin = moved(config)
    ids = batch_of().inputs["target"]
    whole, _ = model.forward(ids)
    for each in (model, twin):
        state = each.start()
        steps = [each.step(ids[:, :3], state), *(each.step(ids[:, t], state) for t in range(3, 7))]
        np.testing.assert_allclose(np.stack(steps, 1), whole[:, 2:], atol=1e-12)
    changed = ids.copy()
    changed[:, 5:] = 1
    np.testing.assert_array_equal(model.forward(changed)[0][:, :5], whole[:, :5])


def test_an_id_beyond_the_rows_reads_row_0_and_every_layer_has_columns_of_its_own():
    model, _ = moved(CONFIGS["few"])
    rows, _ = model.per_layer.forward(np.zeros((1, 3, 8)), np.array([[5, 6, 16]]))
    zero, _ = model.per_layer.forward(np.zeros((1, 1, 8)), np.array([[0]]))
    np.testing.assert_array_equal(rows[:, 1:], np.repeat(zero, 2, axis=1))
    row = model.per_layer.table.weight.data[5].reshape(3, 4)  # by layers, then columns
    np.testing.assert_allclose(rows[0, 0], row * np.sqrt(4 / 2), rtol=1e-12)  # of no context


@pytest.mark.parametrize("checkpointed", [False, True])
def test_training_is_in_lockstep(checkpointed):
    config = RunConfig(
        model=CONFIGS["gpt"],
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.01),
        train=TrainConfig(dtype="float64", workers=1, checkpoint_activations=checkpointed),
    )
    by_hand = NumpyEngine(config)
    weights = {name: a.copy() for name, a in by_hand.model.state_dict().items()}
    twin = TorchEngine(config, weights=weights, device="cpu", replay_dropout=True)
    losses = []
    for update in range(6):
        for engine in (by_hand, twin):
            engine.gradients(batch_of(), (0, update))
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.loss == pytest.approx(expected.loss, rel=1e-9)
        assert step.norm == pytest.approx(expected.norm, rel=1e-7)
        losses.append(step.loss)
    assert losses[-1] < losses[0]
    after = by_hand.model.state_dict()["per_layer.table.weight"]
    assert np.abs(after - weights["per_layer.table.weight"]).max() > 0.01


def test_settings_that_do_not_go_together_are_refused():
    for change, words in (
        ({"per_layer_size": 0}, "per_layer_size is 0; it must be 1 or more"),
        ({"per_layer_vocab": 4}, "give per_layer_size"),
        ({"per_layer_size": 2, "per_layer_vocab": 18}, "of a vocabulary of 17"),
        ({"per_layer_size": 2, "activation": "relu"}, "activation 'relu', which no gate has"),
        ({"per_layer_size": 2, "predict_ahead": 1}, "leave one out"),
        ({"per_layer_size": 2, "mup_base_width": 4}, "mup_base_width has no rule for per-layer"),
    ):
        with pytest.raises(ConfigError, match=words):
            GPTConfig(**SIZES, **change)


def test_a_run_trains_generates_and_is_planned_and_explored(tmp_path, capsys):
    run, page = str(tmp_path / "run"), tmp_path / "page.html"
    options = ["--model", "gpt", "--model.d-model", "16", "--model.heads", "2", "--model.d-ff",
               "16", "--model.layers", "2", "--model.per-layer-size", "4", "--pairs", "120",
               "--vocab-size", "280", "--workers", "1", "--updates", "2"]  # fmt: skip
    assert main(["train", run, *options]) == 0
    assert main(["generate", run, "Der", "--max-length", "3"]) == 0
    assert main(["explore", "--checkpoint", run, "--text", "Der.", "--out", str(page)]) == 0
    assert "decoder.layers.1.per_layer.gate_proj" in page.read_text()
    capsys.readouterr()
    sizes = options[: options.index("--pairs")] + ["--vocab-size", "280", "--json", "-", "--check"]
    assert main(["plan", *sizes]) == 0
    out = capsys.readouterr().out
    plan = json.loads(out[out.index("{") :])
    model = load_model(run).model
    assert plan["parameters"] == sum(p.data.size for p in model.parameters())
    assert plan["check"]["planned"] == pytest.approx(plan["check"]["measured"], rel=0.05)
