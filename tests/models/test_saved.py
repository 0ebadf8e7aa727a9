"""Checkpoints, names and gradients as they were before layers became one class.

``saved`` was written by the last version with separate encoder and decoder layers (commit e3a8498):
``npformer train`` for six updates, then one forward and one backward with dropout. What is loaded
is the same to the bit. What is computed is so on the machine that wrote it; on another, BLAS adds
in another order, and e3a8498 itself misses its numbers by about 1e-15.
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
def test_an_older_checkpoint_gives_the_same_numbers(norm):
    checkpoint = read_checkpoint(SAVED / norm, optimizer=True)
    assert checkpoint.config.model.positions == "sinusoidal"  # a field that it does not have
    model = Transformer(checkpoint.config.model, rng=np.random.default_rng(0), dtype=np.float64)
    model.load_state_dict(checkpoint.weights)
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(array, checkpoint.weights[path])
    with np.load(SAVED / f"{norm}.npz") as before:
        logits, cache = model.forward(before["source"], before["target"], np.random.default_rng(2))
        model.backward(before["dlogits"], cache)
        gradients = {path: p.grad for path, p in model.named_parameters()}
        largest = max(np.abs(g).max() for g in gradients.values())  # that of a key's bias is 0
        for now, name, size in (
            (logits, "logits", np.abs(logits).max()),
            *((g, f"grad {path}", largest) for path, g in gradients.items()),
        ):
            np.testing.assert_allclose(now, before[name], rtol=0, atol=1e-13 * size, err_msg=name)


@every_norm
def test_the_twin_takes_an_older_checkpoint(norm):
    checkpoint = read_checkpoint(SAVED / norm)
    twin = Twin(checkpoint.config.model)
    to_torch({n: a.astype(np.float32) for n, a in checkpoint.weights.items()}, twin)
    assert from_torch(twin).keys() == checkpoint.weights.keys()
