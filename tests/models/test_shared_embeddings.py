"""Which of the matrices of source, target and logits are one; and a bias of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from npformer.decode import greedy
from npformer.errors import ConfigError
from npformer.explorer.nodes import token_side, use
from npformer.inspect import record
from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig
from npformer.text.batches import Batch
from npformer.verify.bisect import bisect
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin

SIZES: dict[str, Any] = dict(
    vocab_size=11, d_model=8, heads=2, d_ff=12, encoder_layers=1, decoder_layers=1
)
WAYS: dict[str, dict[str, Any]] = {
    "all": dict(),
    "all, with a bias": dict(output_bias=True),
    "target and output": dict(share_embeddings=False, source_vocab_size=17, output_bias=True),
    "source and target": dict(tie_output=False, output_bias=True),
    "none": dict(share_embeddings=False, tie_output=False),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def model_and_twin(way):
    """With every parameter off its initial value."""
    config = TransformerConfig(**SIZES, **way, max_length=9, dropout=0.0)
    model = Transformer(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def some_batch(model):
    rng = np.random.default_rng(2)
    source = rng.integers(1, model.config.source_size, (2, 5))
    source[0, 3:] = 0
    target = rng.integers(1, 11, (2, 4))
    return Batch.of_pairs(source, target, np.roll(target, -1, axis=1))


@ways
def test_both_engines_make_the_same_of_it(way):
    model, twin = model_and_twin(way)
    batch = some_batch(model)
    assert bisect(model, twin, batch, seed=3)
    sources = batch.inputs["source"]
    options = dict(bos=1, eos=2, pad=0, max_length=6)
    assert greedy(model, sources, **options) == greedy(twin, sources, **options)


@ways
def test_a_matrix_of_its_own_is_moved_by_its_own_stream(way):
    model, _ = model_and_twin(way)
    batch = some_batch(model)
    recording = record(model, batch)
    matrices = {"embedding.weight": ["target"]}
    matrices.setdefault(
        "embedding.weight" if model.config.share_embeddings else "source_embedding.weight", []
    ).append("source")
    matrices.setdefault(
        "embedding.weight" if model.config.tie_output else "output_proj.weight", []
    ).append("output")
    for name, gradient in recording.gradients.items():
        if name in matrices and "output" not in matrices[name]:
            read = {token for stream in matrices[name] for token in batch.inputs[stream].ravel()}
            assert set(np.flatnonzero(gradient.any(axis=1))) == read - {0}
    assert matrices.keys() <= recording.gradients.keys()
    biases = [name for name in recording.gradients if len(model.state_dict()[name]) == 11 and
              name.endswith("bias")]  # fmt: skip
    assert len(biases) == model.config.output_bias


@ways
def test_the_explorer_knows_whose_tokens_they_are(way):
    model, _ = model_and_twin(way)
    recording = record(model, some_batch(model))
    calls = [call for call in recording.calls if "embedding" in call.path]
    sides = [token_side(call, "x", recording) for call in calls]
    assert sides == ["source", "target"] + ["target"] * model.config.tie_output
    uses = [use(call, recording) for call in calls if call.path == "embedding"]
    looks_up = ["source", "target"] if model.config.share_embeddings else ["target"]
    if model.config.tie_output:
        assert uses == [*looks_up, "output"]
    elif model.config.share_embeddings:
        assert uses == looks_up


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(source_vocab_size=5), "source and target share their embedding"),
        (dict(share_embeddings=False, source_vocab_size=3, padding_id=3), "must be 4 or more"),
        (dict(share_embeddings=False, source_vocab_size=0, padding_id=0), "must be 1 or more"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TransformerConfig(**SIZES, **settings)
