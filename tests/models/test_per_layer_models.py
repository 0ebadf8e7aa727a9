"""A decoder whose layers have embeddings of their own: both engines alike, trained and stepped."""

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


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    documents = np.array([[1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 2, 0, 0]])
    model, _ = gradients_alike(config, documents=documents)
    assert bisect(*moved(replace(config, layer_norm_eps=0.5)), batch_of()).passed
    assert np.abs(dict(model.named_parameters())["per_layer.table.weight"].grad).max() > 1e-3


@configs
def test_a_step_is_the_whole_forward_and_no_logit_sees_a_later_token(config):
    steps_are_the_whole_forward(config)


def test_an_id_beyond_the_rows_reads_row_0_and_every_layer_has_columns_of_its_own():
    model, _ = moved(CONFIGS["few"])
    rows, _ = model.per_layer.forward(np.zeros((1, 3, 8)), np.array([[5, 6, 16]]))
    zero, _ = model.per_layer.forward(np.zeros((1, 1, 8)), np.array([[0]]))
    np.testing.assert_array_equal(rows[:, 1:], np.repeat(zero, 2, axis=1))
    row = model.per_layer.table.weight.data[5].reshape(3, 4)  # by layers, then columns
    np.testing.assert_allclose(rows[0, 0], row * np.sqrt(4 / 2), rtol=1e-12)  # of no context


@pytest.mark.parametrize("checkpointed", [False, True])
def test_training_is_in_lockstep(checkpointed):
    before, after = trained_in_lockstep(CONFIGS["gpt"], checkpointed)
    name = "per_layer.table.weight"
    assert np.abs(after[name] - before[name]).max() > 0.01


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
    options = options_of("--model.layers", "2", "--model.per-layer-size", "4")
    run, part = trained_run(tmp_path, options), "decoder.layers.1.per_layer.gate_proj"
    explored_and_planned(run, tmp_path / "page.html", options, part, capsys)
