"""Weights cross between the engines without the loss of a bit, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
import torch

from npformer.errors import CheckpointError, ShapeError
from npformer.models.transformer import Transformer, TransformerConfig
from torch_ref.bridge import from_torch, load_weights, save_weights, to_torch
from torch_ref.models.transformer import Transformer as Twin

CONFIG = TransformerConfig(
    vocab_size=13,
    d_model=8,
    heads=2,
    d_ff=12,
    encoder_layers=1,
    decoder_layers=1,
    tie_output=False,
    norm="pre",
)
DTYPES = [np.float32, np.float64]


def numpy_model(dtype, seed: int = 0) -> Transformer:
    return Transformer(CONFIG, rng=np.random.default_rng(seed), dtype=dtype)


def twin(dtype) -> Twin:
    return Twin(CONFIG, dtype=getattr(torch, np.dtype(dtype).name))


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype
        assert a[name].shape == b[name].shape
        assert a[name].tobytes() == b[name].tobytes(), name


def with_edge_values(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same, with numbers that a careless conversion would change."""
    array = next(iter(state.values()))
    info = np.finfo(array.dtype)
    array.flat[:6] = [info.max, info.smallest_subnormal, -0.0, np.inf, np.nan, 1 + info.eps]
    return state


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_numpy_to_torch_and_back(dtype):
    weights = with_edge_values(numpy_model(dtype).state_dict())
    theirs = twin(dtype)
    to_torch(weights, theirs)
    assert_same_bits(from_torch(theirs), weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_torch_to_numpy_and_back(dtype):
    source, target = twin(dtype), twin(dtype)
    ours = numpy_model(dtype)
    ours.load_state_dict(from_torch(source))
    to_torch(ours.state_dict(), target)
    assert_same_bits(from_torch(target), from_torch(source))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_of_either_engine_is_read_by_the_other(dtype, tmp_path):
    ours, theirs = numpy_model(dtype), twin(dtype)
    with_edge_values(ours.state_dict())
    safetensors.numpy.save_file(ours.state_dict(), tmp_path / "ours.safetensors")
    load_weights(tmp_path / "ours.safetensors", theirs)
    assert_same_bits(from_torch(theirs), ours.state_dict())

    save_weights(tmp_path / "theirs.safetensors", theirs)
    other = numpy_model(dtype, seed=1)
    other.load_state_dict(safetensors.numpy.load_file(tmp_path / "theirs.safetensors"))
    assert_same_bits(other.state_dict(), ours.state_dict())


def test_arrays_of_any_layout_and_byte_order():
    weights = numpy_model(np.float64).state_dict()
    odd = {name: np.asfortranarray(array) for name, array in weights.items()}
    odd["embedding.weight"] = weights["embedding.weight"].astype(">f8")
    odd["embedding.weight"].flags.writeable = False
    theirs = twin(np.float64)
    to_torch(odd, theirs)
    assert_same_bits(from_torch(theirs), weights)


def test_what_comes_out_is_a_copy():
    theirs = twin(np.float32)
    before = from_torch(theirs)
    with torch.no_grad():
        theirs.embedding.weight += 1
    assert not np.array_equal(before["embedding.weight"], from_torch(theirs)["embedding.weight"])


def lacks_one(state):
    del state["embedding.weight"]


def holds_one_more(state):
    state["encoder.surplus"] = np.zeros(3, np.float32)


def has_a_transposed_weight(state):
    name = "decoder.layers.0.feed_forward.linear1.weight"
    state[name] = state[name].T


def has_another_dtype(state):
    state["output_proj.weight"] = state["output_proj.weight"].astype(np.float64)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lacks_one, "lack 'embedding.weight'"),
        (holds_one_more, "hold 'encoder.surplus'"),
        (has_a_transposed_weight, r"'decoder.*linear1.weight' is float32 \(8, 12\)"),
        (has_another_dtype, "'output_proj.weight' is float64"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(spoil, says):
    theirs = twin(np.float32)
    before = from_torch(theirs)
    state = dict(numpy_model(np.float32).state_dict())
    spoil(state)
    with pytest.raises(ShapeError, match=says):
        to_torch(state, theirs)
    assert_same_bits(from_torch(theirs), before)


def test_a_file_that_is_missing_or_damaged(tmp_path):
    path = tmp_path / "weights.safetensors"
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_weights(path, twin(np.float32))
    save_weights(path, twin(np.float32))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        load_weights(path, twin(np.float32))
