"""One name for one thing: classes, constructor arguments, parameter paths and shapes agree."""

from __future__ import annotations

import dataclasses
import inspect
import itertools

import numpy as np
import pytest

import npformer.nn
import torch_ref.nn
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.nn import Module
from torch_ref.bridge import from_torch
from torch_ref.models.transformer import Transformer as Twin

CLASSES = [
    name
    for name, value in vars(npformer.nn).items()
    if inspect.isclass(value) and issubclass(value, Module) and value is not Module
]


def pair(name: str) -> tuple[type, type]:
    if name == "Transformer":
        return Transformer, Twin
    return getattr(npformer.nn, name), getattr(torch_ref.nn, name)


def arguments(function, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) -> list[tuple]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is kind]


def test_the_modules_were_found():
    assert {"Linear", "MultiHeadAttention", "Residual", "Layer"} <= set(CLASSES)


@pytest.mark.parametrize("name", [*CLASSES, "Transformer"])
def test_positional_constructor_arguments_agree(name):
    ours, theirs = pair(name)
    assert arguments(ours) == arguments(theirs)


@pytest.mark.parametrize("name", [*CLASSES, "Transformer"])
def test_forward_arguments_agree(name):
    ours, theirs = pair(name)
    if name in ("Linear", "Embedding", "LayerNorm"):  # PyTorch's own forwards name theirs `input`
        assert len(arguments(ours.forward)) == len(arguments(theirs.forward))
    else:
        assert arguments(ours.forward) == arguments(theirs.forward)
        keyword = inspect.Parameter.KEYWORD_ONLY
        assert arguments(ours.forward, keyword) == arguments(theirs.forward, keyword)


@pytest.mark.parametrize(
    ("norm", "tie_output", "encoder_layers", "d_k"),
    list(itertools.product(["post", "pre"], [True, False], [0, 2], [None, 5])),
)
def test_parameter_paths_shapes_and_order_agree(norm, tie_output, encoder_layers, d_k):
    config = TransformerConfig(
        vocab_size=11,
        d_model=12,
        heads=3,
        d_ff=7,
        encoder_layers=encoder_layers,
        decoder_layers=1,
        d_k=d_k,
        norm=norm,
        tie_output=tie_output,
    )
    ours = Transformer(config, rng=np.random.default_rng(0))
    theirs = Twin(config)
    shapes = [(name, p.data.shape) for name, p in ours.named_parameters()]
    assert shapes == [(name, tuple(p.shape)) for name, p in theirs.named_parameters()]
    # What PyTorch saves is the parameters and nothing else.
    assert list(theirs.state_dict()) == [name for name, _ in shapes]


def test_initial_weights_have_the_same_distribution():
    config = TransformerConfig(vocab_size=200, d_model=64, heads=4, d_ff=128, encoder_layers=1)
    ours = Transformer(config, rng=np.random.default_rng(0)).state_dict()
    for name, parameter in Twin(config).named_parameters():
        theirs = parameter.detach().numpy()
        if ours[name].std() == 0:  # biases and the layer norms' weights
            np.testing.assert_array_equal(theirs, ours[name])
            continue
        assert theirs.std() == pytest.approx(ours[name].std(), rel=0.05)
        if name != "embedding.weight":  # uniform: the bound is exact
            assert np.abs(theirs).max() == pytest.approx(np.abs(ours[name]).max(), rel=0.01)
    assert not ours["embedding.weight"][0].any()
    assert not Twin(config).embedding.weight[0].any()


@pytest.mark.parametrize("tie_output", [True, False])
def test_one_standard_deviation_is_every_matrix_s(tie_output):
    config = TransformerConfig(
        vocab_size=200, d_model=64, heads=4, d_ff=128, tie_output=tie_output, init_std=0.03
    )
    ours = Transformer(config, rng=np.random.default_rng(0))
    plain = dataclasses.replace(config, init_std=None)
    usual = Transformer(plain, rng=np.random.default_rng(0)).state_dict()
    for state in (ours.state_dict(), from_torch(Twin(config))):
        for name, array in state.items():
            if array.ndim == 1:
                np.testing.assert_array_equal(array, usual[name])
                continue
            assert array.std() == pytest.approx(0.03, rel=0.05)
            assert np.abs(array).max() > 3 * 0.03  # normal, not uniform
        assert not state["embedding.weight"][config.padding_id].any()
    assert ours.embedding.weight.data.dtype == np.float32
