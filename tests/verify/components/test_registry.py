"""Nothing is missing from the registry."""

from __future__ import annotations

import pytest

from npformer import nn, ops
from npformer.errors import VerifyError
from npformer.nn.module import Module
from npformer.verify.components import registry
from npformer.verify.components.modules_table import MODULES
from npformer.verify.components.ops_table import OPS


def test_every_op_module_and_model_is_registered():
    assert registry.missing() == []


def test_a_new_op_or_module_is_noticed(monkeypatch):
    monkeypatch.setattr(ops, "swish_forward", None, raising=False)
    monkeypatch.setattr(nn, "Gate", type("Gate", (Module,), {}), raising=False)
    assert registry.missing() == ["Gate", "swish"]


def test_names_are_unique():
    assert len(registry.COMPONENTS) == len(OPS) + len(MODULES) + len(registry.OPTIMIZERS)


def test_an_unknown_component_is_refused_with_the_nearest_name():
    with pytest.raises(VerifyError, match="'layernorm' does not exist.*did you mean 'layer_norm'"):
        registry.component("layernorm")
