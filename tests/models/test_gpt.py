"""A decoder alone: what the house does with any family, it does with this one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.cli.main import main
from npformer.errors import ConfigError, ShapeError
from npformer.inspect import attention_maps, record
from npformer.models import families, family, make_model, model_config
from npformer.models.gpt import GPT, GPTConfig
from npformer.text.batches import Batch
from npformer.verify.bisect import bisect
from npformer.verify.lockstep.nodes import node_errors
from torch_ref.bridge import to_torch
from torch_ref.inspect import record as record_twin
from torch_ref.models import make_twin

CONFIG = GPTConfig(vocab_size=11, d_model=8, heads=2, d_ff=12, layers=2, max_length=12, dropout=0.2)


def model_and_twin():
    """With every parameter off its initial value."""
    model = make_model(CONFIG, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(CONFIG, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def some_ids(rows=3, length=7):
    return np.random.default_rng(2).integers(1, CONFIG.vocab_size, (rows, length))


def some_batch():
    ids = some_ids(length=8)
    return Batch({"target": ids[:, :-1]}, ids[:, 1:])


def test_families_are_found_by_their_files():
    assert families()["gpt"] is GPT
    assert model_config({"family": "gpt", "layers": 3}).layers == 3
    with pytest.raises(ConfigError, match="'gtp' does not exist.*did you mean 'gpt'"):
        family("gtp")


def test_a_prompt_and_then_token_by_token_is_the_whole_forward():
    model, twin = model_and_twin()
    ids = some_ids()
    whole, _ = model.forward(ids)
    for each in (model, twin):
        state = each.start()
        steps = [each.step(ids[:, :3], state), *(each.step(ids[:, t], state) for t in range(3, 7))]
        np.testing.assert_allclose(np.stack(steps, 1), whole[:, 2:], atol=1e-13)


def test_rows_of_a_decoding_can_be_chosen():
    model, _ = model_and_twin()
    ids = some_ids()
    whole, _ = model.forward(ids[[2, 0, 2]])
    state = model.start()
    model.step(ids[:, :4], state)
    state.select(np.array([2, 0, 2]))
    np.testing.assert_allclose(model.step(ids[[2, 0, 2], 4], state), whole[:, 4], atol=1e-13)


def test_a_step_keeps_no_activation_of_any_layer():
    """A long prompt's would be several times the weights."""
    model, _ = model_and_twin()
    x = np.ones((1, 5, CONFIG.d_model))
    states = model.start().layers
    assert model.decoder.forward(x, states=states)[1].layers == []
    assert len(model.decoder.forward(x)[1].layers) == len(states)


def test_no_logit_sees_a_later_token():
    model, _ = model_and_twin()
    ids = some_ids()
    changed = ids.copy()
    changed[:, 5:] = 1
    np.testing.assert_array_equal(model.forward(ids)[0][:, :5], model.forward(changed)[0][:, :5])


def test_a_sequence_that_is_too_long_is_refused():
    model, twin = model_and_twin()
    for each, ids in ((model, some_ids(length=13)), (twin, torch.tensor(some_ids(length=13)))):
        with pytest.raises(ShapeError, match="13 tokens; the model takes 12"):
            each.forward(ids)


def test_both_engines_record_the_same_calls():
    model, twin = model_and_twin()
    ours, theirs = record(model, some_batch()), record_twin(twin, some_batch())
    assert ours.paths == theirs.paths
    assert "decoder.layers.1.self_attn.attention" in ours
    for path, gradient in ours.gradients.items():
        np.testing.assert_allclose(gradient, theirs.gradients[path], atol=1e-13, err_msg=path)
    assert all(max(error) < 4 for error in node_errors(model, twin, some_batch()).values())


def test_attention_maps_are_those_of_its_layers():
    model, _ = model_and_twin()
    maps = attention_maps(model, (), [1, 5, 3])
    assert list(maps) == ["decoder.layers.0.self_attn", "decoder.layers.1.self_attn"]


@pytest.mark.parametrize("reference", ["numpy", "torch"])
def test_a_mistake_is_bisected(reference):
    model, twin = model_and_twin()
    right = {"numpy": model, "torch": twin}[reference]
    assert bisect(model, right, some_batch(), seed=3)

    class Leaky(type(model.decoder)):
        def backward(self, dy, cache):
            return 2 * super().backward(dy, cache)

    wrong, _ = model_and_twin()
    wrong.decoder.__class__ = Leaky
    found = bisect(wrong, right, some_batch(), seed=3)
    assert not found
    assert found.activation is None
    assert found.gradient.path == "decoder"


def test_from_the_command_line(tmp_path, capsys):
    run = str(tmp_path / "run")
    sizes = ["--model.layers", "2", "--model.d-model", "16", "--model.heads", "2"]
    data = ["--pairs", "200", "--vocab-size", "280", "--updates", "4", "--validate-every", "4"]
    assert main(["train", run, "--model", "gpt", *sizes, "--model.d-ff", "16", *data]) == 0
    assert "gpt, 2 layers of width 16" in capsys.readouterr().out
    page = tmp_path / "page.html"
    text = "Der Mann schläft."
    assert main(["explore", "--checkpoint", run, "--text", text, "--out", str(page)]) == 0
    assert page.stat().st_size > 100_000
    assert main(["bisect", "--checkpoint", run, "--text", text]) == 0
    capsys.readouterr()
    assert main(["translate", run, "The man sleeps."]) == 2
    assert "reads no source" in capsys.readouterr().err
    assert main(["plan", "--preset", "base", "--model", "gpt", "--gpu", "h100"]) == 0
    assert "12 layers of width 512" in capsys.readouterr().out
