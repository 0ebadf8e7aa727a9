"""Models whose layers compute with few bits: both engines alike, step by step and whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from npformer.cli.main import main
from npformer.config import AdapterConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.bert import BERTConfig
from npformer.models.gpt import GPTConfig
from npformer.models.transformer import TransformerConfig
from npformer.nn.linear import Linear
from npformer.nn.quantized_linear import QuantizedLinear, QuantizedLinearCache, _quantized
from npformer.ops.linear import linear_forward
from npformer.seam import replacing
from npformer.text.batches import Batch
from npformer.train.numpy_engine import NumpyEngine
from npformer.verify import bisect, check_model
from tests.models.moved import moved
from torch_ref.train import TorchEngine

SIZES: dict[str, Any] = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, max_length=12, dropout=0.0)
BITS: dict[str, Any] = dict(weight_bits=8, input_bits=8)
LATER: dict[str, Any] = dict(positions="rotary", activation="swiglu", norm_type="rms_norm")
CONFIGS = {
    "gpt": GPTConfig(**SIZES, **BITS, layers=2),
    "later": GPTConfig(**SIZES, **LATER, weight_bits=4, layers=2, kv_heads=1, tie_output=False),
    "delta": GPTConfig(**SIZES, **BITS, layers=2, delta_pattern="DA"),
    "transformer": TransformerConfig(**SIZES, **BITS, encoder_layers=1, decoder_layers=2),
    "bert": BERTConfig(**SIZES, weight_bits=3, input_bits=6, layers=1),
}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def batch_of(config, seed=2):
    ids = np.random.default_rng(seed).integers(1, 17, (3, 3, 7))
    names = ("source", "target") if isinstance(config, TransformerConfig) else ("target",)
    return Batch(dict(zip(names, ids, strict=False)), ids[2])


@configs
def test_both_engines_have_the_same_logits_and_gradients(config):
    """Autograd through PyTorch's own operation of fake quantisation is the oracle."""
    model, twin = moved(config)
    batch = batch_of(config)
    logits, cache = model.forward(**batch.inputs)
    theirs = twin(**{name: torch.tensor(ids) for name, ids in batch.inputs.items()})
    np.testing.assert_allclose(logits, theirs.detach().numpy(), atol=1e-12)
    dlogits = np.random.default_rng(3).standard_normal(logits.shape)
    model.backward(dlogits, cache)
    theirs.backward(torch.tensor(dlogits))
    expected = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        mine, other = parameter.grad, expected[name].grad
        assert (mine is None) == (other is None), name
        if mine is not None:
            np.testing.assert_allclose(mine, other.numpy(), atol=1e-10, err_msg=name)
    few = [m for _, m in model.named_modules() if isinstance(m, QuantizedLinear)]
    assert len(few) == sum(type(m).__name__ == "QuantizedLinear" for m in twin.modules()) > 5
    assert {path for path, m in model.named_modules() if type(m) is Linear} <= {
        "output_proj",
        "head_dense",
    }


@configs
def test_the_parameters_are_those_of_floats_and_the_logits_are_not(config):
    model, _ = moved(config)
    from dataclasses import replace

    plain = make_model(replace(config, weight_bits=None, input_bits=None),
                       rng=np.random.default_rng(0), dtype=np.float64)  # fmt: skip
    plain.load_state_dict(model.state_dict())
    fine = make_model(replace(config, weight_bits=16, input_bits=None),
                      rng=np.random.default_rng(0), dtype=np.float64)  # fmt: skip
    fine.load_state_dict(model.state_dict())
    inputs = batch_of(config).inputs
    of_floats, few, many = (each.forward(**inputs)[0] for each in (plain, model, fine))
    assert np.abs(few - of_floats).max() > 30 * np.abs(many - of_floats).max() > 0


@pytest.mark.parametrize("name", ["gpt", "later", "delta"])
def test_a_step_is_the_whole_forward(name):
    """Each vector of x has its own grid, so a token does not change another's rounding."""
    model, twin = moved(CONFIGS[name])
    ids = batch_of(CONFIGS[name]).inputs["target"]
    whole, _ = model.forward(ids)
    for each in (model, twin):
        state = each.start()
        steps = [each.step(ids[:, :3], state), *(each.step(ids[:, t], state) for t in range(3, 7))]
        np.testing.assert_allclose(np.stack(steps, 1), whole[:, 2:], atol=1e-12)
    changed = ids.copy()
    changed[:, 5:] = 1
    np.testing.assert_array_equal(model.forward(changed)[0][:, :5], whole[:, :5])


@pytest.mark.parametrize("name", ["gpt", "transformer"])
def test_training_is_in_lockstep_and_bisect_finds_nothing(name):
    config = RunConfig(
        model=CONFIGS[name],
        optim=OptimConfig(name="adam", schedule="constant", learning_rate=0.01),
        train=TrainConfig(dtype="float64", workers=1),
    )
    by_hand = NumpyEngine(config)
    twin = TorchEngine(config, weights=by_hand.model.state_dict(), device="cpu")
    losses = []
    for update in range(8):
        for engine in (by_hand, twin):
            engine.gradients(batch_of(CONFIGS[name]), (0, update))
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
        losses.append(step.loss)
    assert losses[-1] < losses[0]
    model, its_twin = moved(CONFIGS[name])
    assert bisect(model, its_twin, batch_of(CONFIGS[name])).passed


def test_the_other_grid_first_is_an_accusation_and_no_exception():
    """Calls of one op are compared in their order, and then have arguments of other shapes."""

    def inputs_first(self, x):
        of_x = _quantized(x, self.input_bits)
        weight, of_weight = _quantized(self.weight.data, self.weight_bits)
        y, of_linear = linear_forward(of_x[0], weight, self.bias.data)
        return y, QuantizedLinearCache(of_weight, of_x[1], of_linear)

    model, twin = moved(CONFIGS["gpt"])
    with replacing({QuantizedLinear.forward: inputs_first}):
        found = bisect(model, twin, batch_of(CONFIGS["gpt"]))
    assert "passes to fake_quantize as x has shape" in str(found)


@pytest.mark.parametrize("name", ["delta", "transformer", "bert"])
def test_it_has_the_invariants_of_any_model(name):
    """What is quantised by the vector leaves the other tokens and rows alone."""
    model, _ = moved(CONFIGS[name])
    result = check_model(model, lengths=(4,), causal=name != "bert", options={})
    assert result.passed, str(result)


def test_what_does_not_go_together_is_refused():
    for change, words in (
        ({"input_bits": 8}, "input_bits is 8 and the weights are floats; give weight_bits too"),
        ({"weight_bits": 1}, "weight_bits is 1; it must be from 2 to 16"),
        ({"weight_bits": 8, "experts": 2}, "the matrices of experts are none"),
    ):
        with pytest.raises(ConfigError, match=words):
            GPTConfig(**SIZES, layers=1, **change)
    with pytest.raises(ConfigError, match="latent attention decodes with products"):
        GPTConfig(**SIZES, layers=1, positions="rotary", rotary_fraction=0.5, head_size=4,
                  attention_bias="none", latent_size=2, weight_bits=8)  # fmt: skip
    config = RunConfig(model=CONFIGS["gpt"], adapters=AdapterConfig(lora=2))
    with pytest.raises(ConfigError, match="weight_bits is 8; leave one out"):
        NumpyEngine(config)


def test_a_run_of_floats_goes_on_in_few_bits(tmp_path, capsys):
    first, few = str(tmp_path / "first"), str(tmp_path / "few")
    small = ["--model", "gpt", "--model.d-model", "16", "--model.heads", "2", "--model.d-ff", "16",
             "--model.layers", "1", "--pairs", "120", "--vocab-size", "280",
             "--workers", "1"]  # fmt: skip
    assert main(["train", first, *small, "--updates", "2"]) == 0
    bits = ["--model.weight-bits", "4", "--model.input-bits", "8"]
    again = ["train", few, "--from", first, "--pairs", "120", "--updates", "2", "--workers", "1"]
    assert main([*again, *bits]) == 0
    assert main(["generate", few, "Der", "--max-length", "3"]) == 0
    assert main(["train", few, "--resume", "--updates", "3"]) == 0
    assert main(["train", few, "--resume", "--model.weight-bits", "5", "--updates", "4"]) == 2
    assert "model.weight_bits = 4, not 5" in capsys.readouterr().err
