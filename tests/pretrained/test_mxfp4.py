"""gpt-oss's two stored forms: blocks of four bits with scales, and whole."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from npformer.errors import CheckpointError
from npformer.pretrained import from_pretrained
from npformer.pretrained.mxfp4 import Mxfp4Blocks
from tests.pretrained import library
from tests.pretrained.specimens import SIZES

RNG = np.random.default_rng(0)


def packed(*shape: int) -> dict[str, np.ndarray]:
    """Random blocks and scales of experts (E, O, I)."""
    experts, outputs, inputs = shape
    blocks = RNG.integers(0, 256, (experts, outputs, inputs // 32, 16), dtype=np.uint8)
    return {"_blocks": blocks, "_scales": RNG.integers(118, 128, blocks.shape[:3], dtype=np.uint8)}


def test_every_pair_of_bits_is_what_the_library_makes_of_it():
    every = np.arange(256, dtype=np.uint8).reshape(1, 2, 8, 16)
    scales = np.array([[[1, 100, 120, 126, 127, 128, 140, 250]] * 2], np.uint8)
    ours = Mxfp4Blocks({"x_blocks": every, "x_scales": scales, "y": scales})
    both = torch.from_numpy(every), torch.from_numpy(scales)
    theirs = convert_moe_packed_tensors(*both, dtype=torch.float32).numpy()
    assert set(ours) == {"x", "y"}
    assert np.array_equal(ours["x"], theirs)
    assert ours["y"] is scales


def test_blocks_that_do_not_fit_are_refused():
    blocks = np.zeros((2, 3, 1, 16), np.uint8)
    tensors = Mxfp4Blocks({"x_blocks": blocks, "x_scales": np.zeros((2, 3, 2), np.uint8)})
    with pytest.raises(CheckpointError, match=r"'x_blocks' is \(2, 3, 1, 16\) and its scales"):
        tensors["x"]


def test_both_stored_forms_are_one_model(tmp_path):
    sizes = {**SIZES, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    model = library.random_model(
        transformers.GptOssConfig(**sizes, num_local_experts=4, num_experts_per_tok=2)
    )
    whole = library.saved(model, tmp_path / "whole")
    tensors = load_file(whole / "model.safetensors")
    blocks = dict(tensors)
    for name, shape in (("gate_up_proj", (4, 128, 32)), ("down_proj", (4, 32, 64))):
        name = f"model.layers.0.mlp.experts.{name}"
        found = packed(*shape)
        blocks |= {name + part: array for part, array in found.items()}
        widened = np.ascontiguousarray(Mxfp4Blocks({f"x{p}": a for p, a in found.items()})["x"])
        tensors[name] = widened.astype(blocks.pop(name).dtype)
    packed_form = tmp_path / "packed"
    packed_form.mkdir()
    config = json.loads((whole / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["head"]}
    (packed_form / "config.json").write_text(json.dumps(config))
    save_file(tensors, whole / "model.safetensors")
    save_file(blocks, packed_form / "model.safetensors")
    both = [from_pretrained(path) for path in (whole, packed_form)]
    states = [found.model.state_dict() for found in both]
    for path, array in states[0].items():
        assert np.array_equal(array, states[1][path]), path
    assert "quantization_config" not in both[1].family.exported(config)  # an export is whole
