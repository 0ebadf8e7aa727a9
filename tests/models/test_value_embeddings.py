"""A decoder that mixes embeddings by token into its values: both engines alike, and trained."""

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

SIZES: dict[str, Any] = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=12, layers=5)
LATER: dict[str, Any] = dict(positions="rotary", norm_type="rms_norm", kv_heads=1, value_norm=True)
CONFIGS = {
    "two": GPTConfig(**SIZES, dropout=0.2, value_tables=2),
    "window": GPTConfig(**SIZES, **LATER, dropout=0.0, value_tables=1, window=3, per_layer_size=2),
    "parallel": GPTConfig(**SIZES, dropout=0.0, value_tables=2, parallel=True, positions="t5"),
    "streams": GPTConfig(**SIZES, dropout=0.0, value_tables=2, streams=2, positions="alibi"),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def batch_of(seed=2):
    ids = np.random.default_rng(seed).integers(1, 17, (2, 3, 7))
    return Batch({"target": ids[0]}, ids[1])


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    model, twin = moved(config)
    inputs, dlogits = batch_of().inputs, np.random.default_rng(3).standard_normal((3, 7, 17))
    logits, cache = model.forward(**inputs)
    model.backward(dlogits, cache)
    theirs = twin(torch.tensor(inputs["target"]))
    theirs.backward(torch.tensor(dlogits))
    np.testing.assert_allclose(logits, theirs.detach().numpy(), atol=1e-12)
    expected = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        other = expected[name].grad.numpy()
        np.testing.assert_allclose(parameter.grad, other, atol=1e-10, err_msg=name)
    assert bisect(*moved(replace(config, layer_norm_eps=0.5)), batch_of()).passed
    assert np.abs(dict(model.named_parameters())["value_embedding.weight"].grad).max() > 1e-3


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


def test_a_first_and_a_last_layer_share_a_table_and_those_between_read_none():
    model, _ = moved(CONFIGS["two"])
    assert model.decoder.value_tables == [0, 1, None, 0, 1]
    mixes = [layer.self_attn.value_mix is not None for layer in model.decoder.layers]
    assert mixes == [True, True, False, True, True]
    ids = batch_of().inputs["target"]
    before = model.forward(ids)[0]
    for layer in model.decoder.layers:
        if layer.self_attn.value_mix is not None:
            layer.self_attn.value_mix.mix.data[1] = 0.0
    without = model.forward(ids)[0]
    model.value_embedding.weight.data[...] = 0.0
    np.testing.assert_array_equal(model.forward(ids)[0], without)
    assert np.abs(without - before).max() > 0.01


@pytest.mark.parametrize("checkpointed", [False, True])
def test_training_is_in_lockstep(checkpointed):
    config = RunConfig(
        model=CONFIGS["two"],
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
    for name in ("value_embedding.weight", "decoder.layers.4.self_attn.value_mix.mix"):
        assert np.abs(by_hand.model.state_dict()[name] - weights[name]).max() > 1e-3


def test_settings_that_do_not_go_together_are_refused():
    turning = {"positions": "rotary", "rotary_fraction": 0.5, "attention_bias": "none"}
    wide = {"window": 2, "window_pattern": "LG", "global_kv_heads": 1}
    for change, words in (
        ({"value_tables": 0}, "value_tables is 0 for 5 layers; .* and at most 2"),
        ({"value_tables": 3}, "value_tables is 3 for 5 layers"),
        ({"value_tables": 1, "predict_ahead": 1}, "leave one out"),
        ({"value_tables": 1, "delta_pattern": "DA"}, "makes values of the stream"),
        ({"value_tables": 1, "latent_size": 2, **turning}, "makes values of the stream"),
        ({"value_tables": 2, **wide}, "values of one size in the layers that read them"),
        ({"value_tables": 1, "mup_base_width": 4}, "no rule for value embeddings"),
    ):
        with pytest.raises(ConfigError, match=words):
            GPTConfig(**SIZES, **change)


def test_a_run_trains_generates_and_is_planned_and_explored(tmp_path, capsys):
    run, page = str(tmp_path / "run"), tmp_path / "page.html"
    options = ["--model", "gpt", "--model.d-model", "16", "--model.heads", "2", "--model.d-ff",
               "16", "--model.layers", "3", "--model.value-tables", "1", "--pairs", "120",
               "--vocab-size", "280", "--workers", "1", "--updates", "2"]  # fmt: skip
    assert main(["train", run, *options]) == 0
    assert main(["generate", run, "Der", "--max-length", "3"]) == 0
    assert main(["explore", "--checkpoint", run, "--text", "Der.", "--out", str(page)]) == 0
    assert "decoder.layers.2.self_attn.value_mix" in page.read_text()
    capsys.readouterr()
    sizes = options[: options.index("--pairs")] + ["--vocab-size", "280", "--json", "-", "--check"]
    assert main(["plan", *sizes]) == 0
    out = capsys.readouterr().out
    plan = json.loads(out[out.index("{") :])
    model = load_model(run).model
    assert plan["parameters"] == sum(p.data.size for p in model.parameters())
    assert plan["check"]["planned"] == pytest.approx(plan["check"]["measured"], rel=0.05)
