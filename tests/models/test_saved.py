"""Checkpoints, names and gradients as they were before layers became one class.

``saved`` was written by the last version with separate encoder and decoder layers (commit e3a8498):
``npformer train`` for six updates, then one forward and one backward with dropout.
"""

from pathlib import Path

import numpy as np
import pytest

from npformer.models.transformer import Transformer
from npformer.train.checkpoint import read_checkpoint
from torch_ref.bridge import from_torch, to_torch
from torch_ref.models import Transformer as Twin

SAVED = Path(__file__).parent / "saved"
every_norm = pytest.mark.parametrize("norm", ["post", "pre"])


@every_norm
def test_an_older_checkpoint_gives_the_same_numbers_bit_for_bit(norm):
    checkpoint = read_checkpoint(SAVED / norm, optimizer=True)
    assert checkpoint.config.model.positions == "sinusoidal"  # a field that it does not have
    model = Transformer(checkpoint.config.model, rng=np.random.default_rng(0), dtype=np.float64)
    model.load_state_dict(checkpoint.weights)
    with np.load(SAVED / f"{norm}.npz") as before:
        logits, cache = model.forward(before["source"], before["target"], np.random.default_rng(2))
        model.backward(before["dlogits"], cache)
        np.testing.assert_array_equal(logits, before["logits"])
        for path, parameter in model.named_parameters():
            np.testing.assert_array_equal(parameter.grad, before[f"grad {path}"])


@every_norm
def test_the_twin_takes_an_older_checkpoint(norm):
    checkpoint = read_checkpoint(SAVED / norm)
    twin = Twin(checkpoint.config.model)
    to_torch({n: a.astype(np.float32) for n, a in checkpoint.weights.items()}, twin)
    assert from_torch(twin).keys() == checkpoint.weights.keys()
