"""Norms and gates of a decoder, walked beside the twin: right ones agree, a wrong one is named."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from npformer.models.gpt import GPT, GPTConfig
from npformer.text.batches import Batch
from npformer.verify import bisect
from npformer.verify.lockstep.plant import plant
from npformer.verify.mutants import MUTANTS
from torch_ref.bridge import to_torch
from torch_ref.models.gpt import GPT as Twin

IDS = np.random.default_rng(1).integers(1, 11, (3, 4))
BATCH = Batch({"target": IDS[:, :-1]}, IDS[:, 1:])
KINDS = (
    ("sandwich", "rms_norm_plus_one", "geglu_tanh"),
    ("branch", "rms_norm", "swiglu_clamped"),
    ("pre", "rms_norm_no_weight", "swiglu"),
    ("sandwich", "layer_norm", "relu_squared"),
    ("pre", "rms_norm", "geglu"),
)


@functools.cache
def model(norm: str, norm_type: str, activation: str) -> GPT:
    """Two layers, every parameter off its initial value."""
    config = GPTConfig(
        vocab_size=11, d_model=4, heads=2, d_ff=5, max_length=4, layers=2, dropout=0.0,
        norm=norm, norm_type=norm_type, activation=activation,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    made = GPT(config, rng=rng, dtype=np.float64)
    for parameter in made.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.data.shape)
    return made


def twin(of: GPT) -> Twin:
    made = Twin(of.config, dtype=torch.float64)
    to_torch(of.state_dict(), made)
    return made


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_right_ones_differ_by_rounding(kinds):
    for reference in (model(*kinds), twin(model(*kinds))):
        found = bisect(model(*kinds), reference, BATCH)
        assert found, str(found)
        assert max(row.forward_local for row in found.growth) <= 4
        assert max(row.backward_local for row in found.growth) <= 4


@pytest.mark.parametrize(
    ("name", "kinds", "path", "says"),
    [
        ("rms_norm/weight-forgotten", KINDS[0], "self_attn_residual.norm_after", "dx"),
        ("rms_norm/weight-averaged", KINDS[1], "feed_forward_residual.norm", "dweight"),
        ("RMSNorm/one-forgotten", KINDS[0], "feed_forward_residual.norm", "plus_one is False"),
        ("swiglu/up-missing", KINDS[2], "feed_forward.activation", "dgate"),
        ("geglu/activation-missing", KINDS[4], "feed_forward.activation", "dup"),
        ("relu_squared/factor-forgotten", KINDS[3], "feed_forward.activation", "dx"),
        ("GatedFeedForward/up-path-dropped", KINDS[2], "feed_forward", "dx"),
        (
            "Residual/second-norm-skipped",
            KINDS[0],
            "self_attn_residual",
            "never runs the backward of norm_after",
        ),
    ],
)
def test_a_wrong_one_is_named(name, kinds, path, says):
    where = f"decoder.layers.1.{path}"
    with plant(MUTANTS[name], model(*kinds), where):
        found = bisect(model(*kinds), twin(model(*kinds)), BATCH)
    assert not found
    first = found.activation or found.gradient
    assert first is not None and first.path == where, str(found)
    assert says in first.message, first.message
