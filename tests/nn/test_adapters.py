"""Adapters in a whole model: what trains, what is kept, merging and taking out."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.nn import DoRALinear, Linear, LoRALinear, Stack
from npformer.nn.adapters import add_adapters, merge, unmerge
from npformer.ops.dora import dora_backward, dora_forward

X, DY = np.random.default_rng(1).standard_normal((2, 2, 5, 8))


def stack(dtype=np.float64):
    return Stack(2, 8, 2, 16, rng=np.random.default_rng(0), dtype=dtype)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_an_adapted_model_starts_as_it_was_and_trains_the_adapters_alone(kind):
    model = stack()
    before, _ = model.forward(X)
    paths = add_adapters(model, 2, 4.0, kind=kind, rng=np.random.default_rng(2))
    assert paths == [f"layers.{n}.self_attn.{p}_proj" for n in (0, 1) for p in "qv"]
    y, cache = model.forward(X)
    np.testing.assert_allclose(y, before, rtol=1e-12)
    model.backward(DY, cache)
    reached = {
        path.rpartition(".")[2] for path, p in model.named_parameters() if p.grad is not None
    }
    assert reached == {"down", "up"} | ({"magnitude"} if kind == "dora" else set())
    assert all(p.trainable == (p.grad is not None) for p in model.parameters())


@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_merged_it_gives_the_same_outputs_and_unmerged_the_same_arrays(kind, dtype):
    model, x = stack(dtype), X.astype(dtype)
    add_adapters(model, 2, kind=kind, targets=("q_proj", "linear1"), rng=np.random.default_rng(2))
    for path, parameter in model.named_parameters():
        if path.endswith((".up", ".magnitude")):
            parameter.data += np.random.default_rng(3).standard_normal(parameter.data.shape)
    before, _ = model.forward(x)
    weights = copy.deepcopy(model.state_dict())
    adapters = merge(model)
    assert not any(isinstance(m, LoRALinear | DoRALinear) for _, m in model.named_modules())
    np.testing.assert_allclose(model.forward(x)[0], before, atol=50 * np.finfo(dtype).eps)
    unmerge(model, adapters)
    state = model.state_dict()
    assert state.keys() == weights.keys()
    assert all(np.array_equal(state[path], weights[path]) for path in state)
    assert np.array_equal(model.forward(x)[0], before)


def test_what_cannot_be_adapted_is_named_with_what_can():
    with pytest.raises(ConfigError, match="is called 'c_attn'.*has k_proj, linear1"):
        add_adapters(stack(), 2, targets=("c_attn",), rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="'ia3'; choose one of lora, dora"):
        add_adapters(stack(), 2, kind="ia3", rng=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="rank is 0"):
        add_adapters(stack(), 0, rng=np.random.default_rng(0))


def test_a_layer_is_not_adapted_twice():
    model = stack()
    add_adapters(model, 2, rng=np.random.default_rng(0))
    inside = [p for p, m in model.named_modules() if isinstance(m, Linear) and p.endswith("linear")]
    assert len(inside) == 4
    with pytest.raises(ConfigError, match="no linear layer is called 'q_proj'"):
        add_adapters(model, 2, rng=np.random.default_rng(0))


def test_a_row_of_zeros_has_no_direction():
    weight = np.array([[1.0, 2.0], [0.0, 0.0]])
    x, down, up = np.ones((3, 2)), np.ones((1, 2)), np.zeros((2, 1))
    y, cache = dora_forward(x, down, up, np.ones(2), weight=weight, bias=np.array([0.0, 7.0]))
    assert np.array_equal(y[:, 1], [7.0] * 3)
    dx, ddown, dup, dmagnitude = dora_backward(np.ones((3, 2)), cache)
    assert all(np.isfinite(g).all() for g in (dx, ddown, dup, dmagnitude))
    assert (dup[1], dmagnitude[1]) == (0.0, 0.0)
