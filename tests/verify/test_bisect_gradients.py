"""Who may write to a parameter's gradient, in lockstep: its own module, and none that is frozen."""

from __future__ import annotations

import numpy as np
import pytest

import npformer.nn.adapters
import torch_ref.nn.adapters
from npformer import nn
from npformer.ops.linear import linear_backward
from npformer.verify import bisect
from npformer.verify.lockstep.plant import plant
from npformer.verify.mutants import MUTANTS
from tests.verify.bisect_models import make_batch, make_model, make_twin
from torch_ref.bridge import to_torch

BATCH = make_batch()
ENGINES = ("numpy", "torch")


class SetsIts(nn.Linear):
    """A module that writes to its gradients itself."""

    how, factor = "+=", 1.0

    def backward(self, dy, cache):
        dx, dweight, dbias = linear_backward(dy, cache)
        for parameter, gradient in ((self.weight, dweight), (self.bias, dbias)):
            if parameter.grad is None or self.how == "=":
                parameter.grad = self.factor * gradient
            else:
                parameter.grad += self.factor * gradient
        return dx


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("how", ["=", "+="])
@pytest.mark.parametrize("reference", ENGINES)
def test_a_module_that_sets_its_gradients_itself(monkeypatch, dtype, how, reference):
    model, right = make_model(1, dtype), make_model(1)
    monkeypatch.setattr(SetsIts, "how", how)
    path = "decoder.layers.0.self_attn.v_proj"
    dict(model.named_modules())[path].__class__ = SetsIts
    by = right if reference == "numpy" else make_twin(right)
    assert bisect(model, by, BATCH), str(bisect(model, by, BATCH))
    monkeypatch.setattr(SetsIts, "factor", 2.0)
    found = bisect(model, by, BATCH)
    wrong = [(f.path, f.result) for f in found.findings]
    assert wrong == [(path, "grad weight"), (path, "grad bias")], str(found)
    assert found.findings[0].operation == "what is added to the gradient of weight"


def test_a_reference_may_set_its_gradients_itself():
    model, reference = make_model(1), make_model(1)
    path = "decoder.layers.0.self_attn.k_proj"
    dict(reference.named_modules())[path].__class__ = SetsIts
    assert bisect(model, reference, BATCH), str(bisect(model, reference, BATCH))


def test_a_module_that_writes_to_anothers_gradient():
    class Meddles(nn.Linear):
        def backward(self, dy, cache):
            victim.grad = np.ones_like(victim.data)
            return super().backward(dy, cache)

    model = make_model(1)
    modules = dict(model.named_modules())
    victim = modules["decoder.layers.0.feed_forward.linear1"].weight
    modules["decoder.layers.0.self_attn.k_proj"].__class__ = Meddles
    found = bisect(model, make_model(1), BATCH)
    assert [f.path for f in found.findings] == ["decoder.layers.0.self_attn.k_proj"]
    assert "gradient of decoder.layers.0.feed_forward.linear1.weight" in found.findings[0].message


@pytest.mark.parametrize("ours", ENGINES)
@pytest.mark.parametrize("reference", ENGINES)
def test_frozen_parameters_are_no_mistake(ours, reference):
    """Half of them frozen, and adapters; on either side or both. They stay as they were."""
    half, model, adapted = make_model(1), make_model(1), make_model(1)
    twin, half_twin, adapted_twin = make_twin(model), make_twin(half), make_twin(model)
    for i, (path, parameter) in enumerate(half.named_parameters()):
        parameter.trainable = bool(i % 2)
        half_twin.get_parameter(path).requires_grad_(bool(i % 2))
    npformer.nn.adapters.add_adapters(adapted, 2, rng=np.random.default_rng(0))
    torch_ref.nn.adapters.add_adapters(adapted_twin, 2)
    for parameter in adapted.parameters():
        parameter.data += 0.1 * np.random.default_rng(1).standard_normal(parameter.data.shape)
    to_torch(adapted.state_dict(), adapted_twin)
    for sides in (
        ({"numpy": half, "torch": half_twin}, {"numpy": model, "torch": twin}),
        ({"numpy": model, "torch": twin}, {"numpy": half, "torch": half_twin}),
        ({"numpy": adapted, "torch": adapted_twin},) * 2,
    ):
        found = bisect(sides[0][ours], sides[1][reference], BATCH)
        assert found, str(found)
    assert [p.trainable for p in half.parameters()] == [
        p.requires_grad for p in half_twin.parameters()
    ]


def test_a_mistake_in_a_frozen_layer_is_found_in_what_it_sends_back():
    model = make_model(1)
    for parameter in model.parameters():
        parameter.trainable = False
    path = "decoder.layers.0.feed_forward.linear1"
    with plant(MUTANTS["linear/single-precision"], model, path):
        found = bisect(model, make_model(1), BATCH)
    assert {f.path for f in found.findings} == {path}
