"""Configurations check themselves, survive JSON, and every preset is one."""

from __future__ import annotations

import json

import pytest

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.fields import to_dict
from npformer.models.transformer import TransformerConfig
from npformer.presets import MODEL_PRESETS, RUN_PRESETS, model_preset, run_preset
from npformer.train.run_config import run_config


@pytest.mark.parametrize("name", MODEL_PRESETS)
def test_every_model_has_a_run(name):
    run, model = run_preset(name), model_preset(name)
    assert (run.model.d_model, run.model.heads) == (model.d_model, model.heads)
    assert run.data.max_length <= run.model.max_length
    assert run.data.vocab_size <= run.model.vocab_size


def test_the_presets_of_runs_begin_with_those_of_models():
    assert list(RUN_PRESETS) == [*MODEL_PRESETS, "wmt14-base", "wmt14-big"]


@pytest.mark.parametrize(("size", "updates", "dropout", "keep"), [
    ("base", 100_000, 0.1, 5), ("big", 300_000, 0.3, 20),
])  # fmt: skip
def test_the_paper_s_runs(size, updates, dropout, keep):
    """What sections 5 and 6.1 of Vaswani et al. (2017) state."""
    run, data = run_preset(f"wmt14-{size}"), run_preset(f"wmt14-{size}").data
    assert run.model == model_preset(size)
    assert (data.corpus, data.source_language, data.target_language) == (
        "hf:wmt14/de-en",
        "en",
        "de",
    )
    assert (data.vocab_size, data.batch_tokens, data.max_length) == (37_000, 25_000, 256)
    optim = (run.optim.name, run.optim.beta1, run.optim.beta2, run.optim.eps, run.optim.warmup)
    assert optim == ("adam", 0.9, 0.98, 1e-9, 4000)
    assert (run.optim.schedule, run.train.label_smoothing) == ("noam", 0.1)
    train = (run.train.updates, run.model.dropout, run.train.keep)
    assert train == (updates, dropout, keep)


@pytest.mark.parametrize("preset", [model_preset, run_preset])
def test_an_unknown_preset_is_told_the_nearest(preset):
    with pytest.raises(ConfigError, match=r"'smal' does not exist.*did you mean 'small'\?"):
        preset("smal")


@pytest.mark.parametrize("name", RUN_PRESETS)
def test_a_configuration_survives_json(name):
    run = run_preset(name)
    assert run_config(json.loads(json.dumps(to_dict(run)))) == run


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TransformerConfig(heads=3), "heads is 3, which does not divide d_model, 512"),
        (lambda: TransformerConfig(d_model=0), "d_model is 0; it must be 1 or more"),
        (lambda: TransformerConfig(d_ff=2**31), "d_ff is 2147483648; it must be 2147483647 or"),
        (lambda: TransformerConfig(d_model=8.0), "it must be an integer"),
        (lambda: TransformerConfig(d_model=True), "it must be an integer"),
        (lambda: TransformerConfig(d_k=0, d_v=1), "d_k is 0"),
        (lambda: TransformerConfig(dropout=1.0), r"it must be in \[0, 1\)"),
        (lambda: TransformerConfig(norm="middle"), "choose one of post, pre"),
        (lambda: TransformerConfig(padding_id=-1), "padding_id is -1"),
        (lambda: TransformerConfig(init_std=0), "init_std is 0; it must be > 0, or not given"),
        (lambda: TransformerConfig(init_std="small"), "it must be a number or nothing"),
        (lambda: TransformerConfig(tie_output=1), "it must be a boolean, true or false"),
        (lambda: OptimConfig(name="adan"), "did you mean 'adam'"),
        (lambda: OptimConfig(beta2=1.0), r"it must be in \[0, 1\)"),
        (lambda: OptimConfig(learning_rate=float("nan")), "it must be finite"),
        (lambda: DataConfig(vocab_size=2), "it must be 8 or more"),
        (lambda: TrainConfig(engine="jax"), "choose one of numpy, torch"),
        (lambda: TrainConfig(updates=0), "it must be 1 or more"),
    ],
)
def test_a_configuration_refuses_what_cannot_be(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def test_heads_need_not_divide_the_width_when_their_sizes_are_given():
    config = TransformerConfig(d_model=10, heads=3, d_k=4, d_v=5)
    assert (config.head_k, config.head_v) == (4, 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["model"].update(haeds=3), "has no field 'haeds'; did you mean 'heads'"),
        (lambda d: d["model"].update(heads="8"), "it must be an integer"),
        (lambda d: d.update(optim=[]), "must be a table of fields, not list"),
    ],
)
def test_a_stored_configuration_that_was_changed_is_refused(change, said):
    values = to_dict(RunConfig(TransformerConfig()))
    change(values)
    with pytest.raises(ConfigError, match=said):
        run_config(values)


def test_a_configuration_of_an_older_version_takes_the_defaults_of_what_it_lacks():
    values = to_dict(RunConfig(TransformerConfig()))
    del values["twin"], values["train"]["ahead"], values["data"]["shards"]
    assert run_config(values) == RunConfig(TransformerConfig())


def test_older_runs_had_checkpointing_among_the_twins_settings():
    values = json.loads(json.dumps(to_dict(RunConfig(TransformerConfig()))))
    del values["train"]["checkpoint_activations"]
    values["twin"]["checkpoint_activations"] = True
    assert run_config(values).train.checkpoint_activations
    values["twin"]["checkpoint_activations"] = "yes"
    with pytest.raises(ConfigError, match="checkpoint_activations is 'yes'"):
        run_config(values)
