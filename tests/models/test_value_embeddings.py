"""A decoder that mixes embeddings by token into its values: both engines alike, and trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.models.gpt import GPTConfig
from npformer.verify.bisect import bisect
from tests.models.alike import (
    batch_of,
    explored_and_planned,
    gradients_alike,
    options_of,
    steps_are_the_whole_forward,
    trained_in_lockstep,
    trained_run,
)
from tests.models.moved import moved

SIZES: dict[str, Any] = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=12, layers=5)
LATER: dict[str, Any] = dict(positions="rotary", norm_type="rms_norm", kv_heads=1, value_norm=True)
CONFIGS = {
    "two": GPTConfig(**SIZES, dropout=0.2, value_tables=2),
    "window": GPTConfig(**SIZES, **LATER, dropout=0.0, value_tables=1, window=3, per_layer_size=2),
    "parallel": GPTConfig(**SIZES, dropout=0.0, value_tables=2, parallel=True, positions="t5"),
    "streams": GPTConfig(**SIZES, dropout=0.0, value_tables=2, streams=2, positions="alibi"),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    model, _ = gradients_alike(config)
    assert bisect(*moved(replace(config, layer_norm_eps=0.5)), batch_of()).passed
    assert np.abs(dict(model.named_parameters())["value_embedding.weight"].grad).max() > 1e-3


@configs
def test_a_step_is_the_whole_forward_and_no_logit_sees_a_later_token(config):
    steps_are_the_whole_forward(config)


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
    before, after = trained_in_lockstep(CONFIGS["two"], checkpointed)
    for name in ("value_embedding.weight", "decoder.layers.4.self_attn.value_mix.mix"):
        assert np.abs(after[name] - before[name]).max() > 1e-3


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
    options = options_of("--model.layers", "3", "--model.value-tables", "1")
    run, part = trained_run(tmp_path, options), "decoder.layers.2.self_attn.value_mix"
    explored_and_planned(run, tmp_path / "page.html", options, part, capsys)
