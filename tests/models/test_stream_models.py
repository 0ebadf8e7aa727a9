"""A decoder whose residual has several streams: both engines alike, and one stream at the start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from npformer.cli.main import main
from npformer.config import OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.gpt import GPTConfig
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from npformer.verify.bisect import bisect
from tests.models.moved import moved
from torch_ref.train import TorchEngine

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


def batch_of(seed=2):
    ids = np.random.default_rng(seed).integers(1, 17, (2, 3, 7))
    return Batch({"target": ids[0]}, ids[1])


@configs
def test_both_engines_have_the_same_calls_and_gradients(config):
    """A norm forgets the length of what is read, but for eps: with a small one the gradient of
    ``read`` along itself is a sum that cancels. Its unit is of the op's terms, so bisect must see
    the op in the twin too."""
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
    assert bisect(model, twin, batch_of()).passed
    assert bisect(twin, model, batch_of()).passed
    if (
        config.stream_mixing != "free"
    ):  # columns that sum to 1 leave the mean as it is, so that the last matrix learns nothing
        last = dict(model.named_parameters())["decoder.layers.2.feed_forward_residual.mix"]
        np.testing.assert_allclose(last.grad, 0, atol=1e-15)
    assert any(name.endswith("feed_forward_residual.mix") for name, _ in model.named_parameters())


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
    config = RunConfig(
        model=CONFIGS[name],
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.01),
        train=TrainConfig(dtype="float64", workers=1, checkpoint_activations=checkpointed),
    )
    by_hand = NumpyEngine(config)
    weights = by_hand.model.state_dict()
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
    reads = [a for n, a in by_hand.model.state_dict().items() if n.endswith(".read")]
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
    run = str(tmp_path / "run")
    options = ["--model", "gpt", "--model.d-model", "16", "--model.heads", "2", "--model.d-ff",
               "16", "--model.layers", "1", "--model.streams", "2", "--pairs", "120",
               "--vocab-size", "280", "--workers", "1", "--updates", "2"]  # fmt: skip
    assert main(["train", run, *options]) == 0
    assert main(["generate", run, "Der", "--max-length", "3"]) == 0
