"""A decoder whose residual has several streams: both engines alike, and one stream at the start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.gpt import GPTConfig
from npformer.verify.bisect import bisect
from tests.models.alike import (
    batch_of,
    gradients_alike,
    options_of,
    steps_are_the_whole_forward,
    trained_in_lockstep,
    trained_run,
)
from tests.models.moved import moved

SIZES: dict[str, Any] = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=12, layers=3)
LATER: dict[str, Any] = dict(positions="rotary", activation="swiglu", norm_type="rms_norm")
CONFIGS = {
    "free": GPTConfig(**SIZES, dropout=0.2, streams=3),
    "one": GPTConfig(**SIZES, dropout=0.0, streams=1),
    "sinkhorn": GPTConfig(**SIZES, **LATER, dropout=0.0, streams=4, stream_mixing="sinkhorn"),
    "t5": GPTConfig(**SIZES, dropout=0.0, positions="t5", streams=2),
    "delta": GPTConfig(**SIZES, dropout=0.0, streams=2, delta_pattern="DA"),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    """A norm forgets the length of what is read, but for eps: with a small one the gradient of
    ``read`` along itself is a sum that cancels. Its unit is of the op's terms, so bisect must see
    the op in the twin too."""
    model, twin = gradients_alike(config)
    assert bisect(model, twin, batch_of()).passed
    assert bisect(twin, model, batch_of()).passed
    # Columns that sum to 1 leave the mean as it is, so that the last matrix learns nothing.
    if config.stream_mixing != "free":
        last = dict(model.named_parameters())["decoder.layers.2.feed_forward_residual.mix"]
        np.testing.assert_allclose(last.grad, 0, atol=1e-15)
    assert any(name.endswith("feed_forward_residual.mix") for name, _ in model.named_parameters())


@configs
def test_a_step_is_the_whole_forward_and_no_logit_sees_a_later_token(config):
    steps_are_the_whole_forward(config)


@pytest.mark.parametrize(("mixing", "near"), [("free", 1e-12), ("sinkhorn", 1e-12)])
def test_at_the_beginning_it_is_the_model_with_one_stream(mixing, near):
    """Rows of the mixing matrix sum to 1, and streams begin as copies."""
    config = replace(CONFIGS["sinkhorn"], stream_mixing=mixing)
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    plain = make_model(
        replace(config, streams=None, stream_mixing="free"),
        rng=np.random.default_rng(0),
        dtype=np.float64,
    )
    weights = model.state_dict()
    plain.load_state_dict({name: weights[name] for name in plain.state_dict()})
    ids = batch_of().inputs["target"]
    logits = plain.forward(ids)[0]
    np.testing.assert_allclose(model.forward(ids)[0], logits, atol=near)
    other, _ = moved(config)
    assert np.abs(other.forward(ids)[0] - logits).max() > 0.1


@pytest.mark.parametrize("name", ["free", "sinkhorn"])
@pytest.mark.parametrize("checkpointed", [False, True])
def test_training_is_in_lockstep(name, checkpointed):
    _, after = trained_in_lockstep(CONFIGS[name], checkpointed)
    reads = [array for path, array in after.items() if path.endswith(".read")]
    assert not any(set(np.unique(a)) <= {0.0, 1.0} for a in reads)  # they have learned


def test_settings_that_do_not_go_together_are_refused():
    for change, words in (
        ({"streams": 0}, "streams is 0; it must be 1 or more"),
        ({"stream_mixing": "sinkhorn"}, "there is one stream; give streams"),
        ({"streams": 2, "norm": "post"}, "norm must be 'pre'"),
    ):
        with pytest.raises(ConfigError, match=words):
            GPTConfig(**SIZES, **change)


def test_a_run_trains_and_generates(tmp_path):
    trained_run(tmp_path, options_of("--model.layers", "1", "--model.streams", "2"))
