"""Errors at every node: small where all is right, and pointing where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.errors import ShapeError
from npformer.inspect import record
from npformer.models.gpt import GPTConfig
from npformer.seam import watching
from npformer.text.batches import Batch
from npformer.verify import node_errors
from npformer.verify.lockstep import nodes
from npformer.verify.units.error import ACCEPT
from tests.inspect.models import VARIANTS, make_batch, make_model
from tests.models.moved import moved
from torch_ref.models.transformer import Transformer as Twin


def pair(dtype=np.float32, **changes):
    model = make_model(dtype, **changes)
    # The twin's own weights are others: they are not what is compared.
    return model, Twin(model.config, dtype=getattr(torch, np.dtype(dtype).name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_right_model_is_within_a_few_units_everywhere(changes, dtype):
    model, twin = pair(dtype, **changes)
    batch = make_batch()
    errors = node_errors(model, twin, batch)
    assert list(errors)[: len(record(model, batch).paths)] == record(model, batch).paths
    for path, error in errors.items():
        assert error.forward <= ACCEPT, path
        assert error.gradient <= ACCEPT, path
    assert max(error.forward for error in errors.values()) > 0
    assert max(error.gradient for error in errors.values()) > 0


@pytest.mark.parametrize("pattern", "DKS")
def test_layers_that_keep_a_state_are_compared_too(pattern):
    """A rate that Mamba-2's step does not have is a constant, of which autograd has no gradient."""
    sizes = dict(vocab_size=17, d_model=8, heads=2, d_ff=12, layers=1, max_length=9, dropout=0.0)
    model, twin = moved(GPTConfig(**sizes, delta_pattern=pattern))
    ids = np.random.default_rng(0).integers(1, 17, (2, 3, 7))
    errors = node_errors(model, twin, Batch({"target": ids[0]}, ids[1]))
    for path, error in errors.items():
        assert max(error) <= ACCEPT, path
    assert errors["decoder.layers.0.self_attn.decay_gate"].gradient > 0


def test_the_first_wrong_node_of_the_backward_is_the_wrong_one():
    model, twin = pair()
    batch = make_batch()
    wrong = model.decoder.layers[0].feed_forward.linear2

    def observer(call, run, *args, **kwargs):
        result = run(*args, **kwargs)
        return result * np.float32(1.01) if call.owner is wrong and call.is_backward else result

    with watching(observer):
        errors = node_errors(model, twin, batch)
    backward = [call.path for call in record(model, batch).backward() if call.dinputs]
    beyond = [path for path in backward if errors[path].gradient > ACCEPT]
    inside = [path for path in beyond if "linear" in path or "proj" in path]
    assert inside[0] == "decoder.layers.0.feed_forward.linear2"
    assert errors["decoder.layers.1"].gradient <= ACCEPT
    assert errors["encoder"].gradient > 100
    assert all(error.forward <= ACCEPT for error in errors.values())


def test_a_wrong_forward_shows_from_there_on():
    model, twin = pair()
    wrong = model.encoder.layers[1].self_attn.out_proj

    def observer(call, run, *args, **kwargs):
        result = run(*args, **kwargs)
        if call.owner is not wrong or call.is_backward:
            return result
        y, cache = result
        return y * np.float32(1.001), cache

    with watching(observer):
        errors = node_errors(model, twin, make_batch())
    beyond = [path for path, error in errors.items() if error.forward > ACCEPT]
    leaves = [path for path in beyond if path.endswith(("proj", "norm", "attention", "linear1"))]
    assert leaves[0] == "encoder.layers.1.self_attn.out_proj"
    assert errors["encoder.layers.0"].forward <= ACCEPT < errors["loss"].forward


@pytest.mark.parametrize("changes", [{"d_ff": 7}, {"dtype": torch.float64}])
def test_a_twin_of_another_configuration(changes):
    model, _ = pair()
    changes = dict(changes)
    dtype = changes.pop("dtype", torch.float32)
    config = make_model(**changes).config
    with pytest.raises(ShapeError, match="in the weights|in the model"):
        node_errors(model, Twin(config, dtype=dtype), make_batch())


@pytest.mark.parametrize("entries", [1, 3000])
def test_of_a_large_model_some_entries_are_compared(monkeypatch, entries):
    model, twin = pair()
    whole = node_errors(model, twin, make_batch())
    monkeypatch.setattr(nodes, "ENTRIES", entries)
    some = node_errors(model, twin, make_batch())
    assert some.keys() == whole.keys()
    assert max(max(error) for error in some.values()) <= ACCEPT
    assert max(error.gradient for error in some.values()) > 0


def test_entries_are_spread_over_rows_and_columns():
    array = np.arange(60 * 64).reshape(60, 64)
    found = nodes.spread(array, 200)
    assert found.size <= 200
    assert len({*found // 64}) == 60
    assert len({*found % 64}) == 64
    np.testing.assert_array_equal(nodes.spread(array, array.size), array)
