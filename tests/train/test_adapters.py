"""Adapters in a run: trained alone, on both engines alike, saved, resumed, and merged for use."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from npformer.cli.main import main
from npformer.config import AdapterConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models.gpt import GPTConfig
from npformer.models.transformer import TransformerConfig
from npformer.nn.linear import Linear
from npformer.text.batches import Batch
from npformer.train.engines import load_model
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.run_directory import load_checkpoint
from torch_ref.train import TorchEngine

SIZES: dict[str, Any] = dict(vocab_size=19, d_model=8, heads=2, d_ff=12, max_length=12, dropout=0.2)
GPT = GPTConfig(**SIZES, layers=2, tie_output=False, positions="rotary")
TRANSFORMER = TransformerConfig(**SIZES, encoder_layers=1, decoder_layers=1)
WAYS = {
    "lora": (TRANSFORMER, AdapterConfig(lora=2, lora_alpha=5.0)),
    "dora": (TRANSFORMER, AdapterConfig(lora=2, dora=True, lora_targets="k_proj, out_proj")),
    "lora everywhere": (GPT, AdapterConfig(lora=3, lora_targets="all")),
    "dora everywhere": (GPT, AdapterConfig(lora=1, lora_targets="all", dora=True)),
}
ways = pytest.mark.parametrize(("model", "adapters"), WAYS.values(), ids=WAYS)


def run_of(model, adapters, **train):
    return RunConfig(
        model=model,
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.03),
        train=TrainConfig(dtype="float64", workers=1, seed=2, **train),
        adapters=adapters,
    )


def batch_of(model, seed=0):
    rng = np.random.default_rng(seed)
    source, target, targets = rng.integers(1, 19, (3, 4, 7))
    targets[0, 5:] = 0
    inputs = {"target": target}
    if isinstance(model, TransformerConfig):
        inputs = {"source": source, "target": target}
    return Batch(inputs, targets)


def both(config):
    by_hand = NumpyEngine(config)
    weights = by_hand.model.state_dict()
    return by_hand, TorchEngine(config, weights=weights, replay_dropout=True, device="cpu")


@ways
def test_both_engines_train_them_in_lockstep(model, adapters):
    by_hand, twin = both(run_of(model, adapters))
    before = by_hand.state()
    losses = []
    for update in range(14):
        for engine in (by_hand, twin):
            engine.gradients(batch_of(model, update % 2), (2, update))
        step, expected = by_hand.update(0.03), twin.update(0.03)
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
        losses.append(step.loss)
    assert losses[-1] < 0.98 * losses[0]
    after, theirs = by_hand.state(), twin.state()
    assert after.keys() == theirs.keys()
    for name, array in after.items():
        np.testing.assert_allclose(array, theirs[name], rtol=1e-6, atol=1e-9, err_msg=name)
        adapter = name.endswith((".down", ".up", ".magnitude"))
        if name.startswith("model/") and not adapter:
            assert np.array_equal(array, before[name]), name
    moments = {name for name in after if name.startswith("optim/") and name != "optim/step"}
    assert all(name.endswith((".down", ".up", ".magnitude")) for name in moments)
    assert len(moments) == 2 * sum(p.trainable for p in by_hand.model.parameters())


@ways
def test_what_is_frozen_has_no_gradient_on_either_engine(model, adapters):
    by_hand, twin = both(run_of(model, adapters))
    for engine in (by_hand, twin):
        engine.gradients(batch_of(model), (0,))
    for name, parameter in by_hand.model.named_parameters():
        assert (parameter.grad is not None) == name.endswith((".down", ".up", ".magnitude")), name
    frozen = [p for p in twin.model.parameters() if not p.requires_grad]
    assert frozen
    assert all(p.grad is None for p in frozen)
    assert twin.trained_count == sum(p.data.size for p in by_hand.model.parameters() if p.trainable)
    assert twin.parameter_count == by_hand.model.parameter_count()


def test_a_state_goes_from_one_engine_to_the_other():
    config = run_of(*WAYS["dora everywhere"])
    by_hand, twin = both(config)
    twin.gradients(batch_of(config.model), (0,))
    twin.update(0.1)
    by_hand.restore(twin.state())
    again = TorchEngine(config, device="cpu")
    again.restore(by_hand.state())
    for name, array in twin.state().items():
        np.testing.assert_array_equal(array, again.state()[name], err_msg=name)


OPTIONS = ["--pairs", "120", "--vocab-size", "280", "--validate-every", "2", "--workers", "1",
           "--validation-pairs", "4", "--dtype", "float64", "--checkpoint-every", "2"]  # fmt: skip
SMALL = ["--model.d-model", "16", "--model.d-ff", "16", "--model.heads", "2"]


def test_a_run_resumes_and_translates(tmp_path, capsys):
    run, straight = str(tmp_path / "run"), str(tmp_path / "straight")
    layers = ["--model.encoder-layers", "1", "--model.decoder-layers", "1"]
    options = [*OPTIONS, *SMALL, *layers, "--lora", "2"]
    assert main(["train", straight, *options, "--updates", "4"]) == 0
    assert "are trained" in capsys.readouterr().out
    assert main(["train", run, *options, "--updates", "2"]) == 0
    assert main(["train", run, "--resume", "--updates", "4"]) == 0
    one, other = (load_checkpoint(path)[0] for path in (run, straight))
    assert all(np.array_equal(array, other.weights[n]) for n, array in one.weights.items())
    assert one.config.adapters.lora == 2
    capsys.readouterr()
    for reader in ("numpy", "torch"):
        assert main(["translate", run, "The man sleeps.", "--engine", reader]) == 0
    assert main(["evaluate", run, "--limit", "3"]) == 0
    loaded = load_model(tmp_path / "run")
    assert loaded.config.adapters == AdapterConfig()
    assert type(loaded.model.decoder.layers[0].self_attn.q_proj) is Linear
    for name, array in loaded.model.state_dict().items():
        assert array is loaded.checkpoint.weights[name], "the weights are in memory twice"
    assert loaded.model.embedding.weight.data.flags.f_contiguous


def test_a_language_model_is_adapted_and_goes_on(tmp_path, capsys):
    run = str(tmp_path / "run")
    options = [*OPTIONS, *SMALL, "--model", "gpt", "--model.layers", "1", "--updates", "2"]
    more = ["--lora", "2", "--dora", "--lora-targets", "all", "--engine", "torch"]
    assert main(["train", run, *options, *more]) == 0
    capsys.readouterr()
    for engine in ("numpy", "torch"):
        assert main(["generate", run, "Der", "--seed", "1", "--engine", engine]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) % 2 == 0
    assert said[: len(said) // 2] == said[len(said) // 2 :]


@ways
def test_merged_weights_give_the_same_logits(model, adapters, tmp_path):
    from npformer.train.adapted import merged
    from npformer.train.checkpoint import Checkpoint, Position

    config = run_of(model, adapters)
    engine = NumpyEngine(config)
    for update in range(3):
        engine.gradients(batch_of(model, update), (update,))
        engine.update(0.1)
    logits, _ = engine.model.forward(**batch_of(model).inputs)
    kept = Checkpoint(tmp_path, config, engine.model.state_dict(), {}, b"", Position(), {})
    plain = merged(kept)
    again = NumpyEngine(dataclasses.replace(plain.config))
    again.model.load_state_dict(plain.weights)
    np.testing.assert_allclose(again.model.forward(**batch_of(model).inputs)[0], logits, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lora", "-1"], "lora is -1; it must be 1 or more"),
        (["--dora"], "dora is for adapters, and there are none; give lora"),
        (["--lora", "2", "--lora-alpha", "0"], "lora_alpha is 0.0; it must be > 0"),
        (["--lora", "2", "--lora-targets", "q_prj"], "no linear layer is called 'q_prj'"),
    ],
)
def test_bad_settings_say_what_is_allowed(tmp_path, capsys, options, message):
    run = tmp_path / "run"
    assert main(["train", str(run), *OPTIONS, *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (run / "config.json").exists()


def test_older_runs_have_none():
    from npformer.fields import to_dict
    from npformer.train.run_config import run_config

    values = json.loads(json.dumps(to_dict(run_of(GPT, AdapterConfig()))))
    del values["adapters"]
    assert run_config(values).adapters == AdapterConfig()
    with pytest.raises(ConfigError, match="lora is 'x'"):
        run_config({**values, "adapters": {"lora": "x"}})
