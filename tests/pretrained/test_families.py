"""Of every family a random model of the library's: its logits and every gradient, in float64."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers

from npformer.models import make_model
from npformer.pretrained import Pretrained, from_pretrained
from npformer.pretrained.tensors import Exported
from tests.pretrained import library
from tests.pretrained.measure import (
    Run,
    check_equal,
    greedy,
    named,
    of_library,
    of_numpy,
    rounding,
)
from tests.pretrained.specimens import GEMMA4, MULTIPLIERS, SIZES, SPECIMENS
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin

BATCH, LENGTH, VOCAB = 2, 11, 43


class Both(NamedTuple):
    model: Any
    ours: Pretrained
    path: Any
    ids: np.ndarray
    dlogits: np.ndarray
    theirs: Run


@pytest.fixture(scope="module", params=SPECIMENS)
def both(request, published) -> Both:
    model, path = published(request.param)
    rng = np.random.default_rng(0)
    ids = rng.integers(3, VOCAB, (BATCH, LENGTH))
    dlogits = rng.standard_normal((BATCH, LENGTH, VOCAB))
    ours = from_pretrained(path, np.float64)
    return Both(model, ours, path, ids, dlogits, of_library(ours, model, ids, dlogits))


def test_logits_and_every_gradient_are_the_librarys(both):
    check_equal(of_numpy(both.ours, both.ids, both.dlogits), both.theirs)


@pytest.mark.parametrize(
    "config",
    [
        transformers.GPT2Config(
            vocab_size=VOCAB, n_embd=24, n_layer=3, n_head=4, n_positions=32,
            scale_attn_by_inverse_layer_idx=True,
        ),
        transformers.LlamaConfig(
            **SIZES, rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0}
        ),
        transformers.GraniteMoeHybridConfig(
            **SIZES, **MULTIPLIERS, layer_types=["full_attention"] * 2, num_local_experts=4,
            shared_intermediate_size=20, mamba_n_heads=4,
        ),
        transformers.Exaone4Config(
            **SIZES, sliding_window=None, layer_types=["full_attention"] * 2
        ),
        transformers.Gemma4TextConfig(
            **SIZES, **GEMMA4 | {"layer_types": ["full_attention"] * 2}, attention_k_eq_v=True
        ),
    ],
    ids=["scores by layer", "dynamic", "experts without positions", "no window", "no local layer"],
)  # fmt: skip
def test_what_a_config_says_seldom_is_the_librarys(tmp_path, config):
    model = library.random_model(config)
    ours = from_pretrained(library.saved(model, tmp_path), np.float64)
    longest = ours.model.config.max_length
    ids = np.random.default_rng(0).integers(3, VOCAB, (2, longest))
    dlogits = np.random.default_rng(1).standard_normal((2, longest, VOCAB))
    theirs = of_library(ours, model, ids, dlogits)
    check_equal(of_numpy(ours, ids, dlogits), theirs)
    twin = make_twin(ours.model.config, dtype=torch.float64)
    to_torch(ours.model.state_dict(), twin)
    logits = twin(torch.from_numpy(ids)).detach().numpy()
    np.testing.assert_allclose(logits, theirs[0], rtol=0, atol=1e-12 * np.abs(logits).max())
    if ours.model.config.scale_by_layer:
        plain = dataclasses.replace(ours.model.config, scale_by_layer=False)
        wrong = make_model(plain, rng=np.random.default_rng(0), dtype=np.float64)
        wrong.load_state_dict(ours.model.state_dict())
        assert np.abs(wrong.forward(ids)[0] - logits).max() > 1e-6


def test_so_are_the_twins(both):
    twin = make_twin(both.ours.model.config, dtype=torch.float64)
    to_torch(both.ours.model.state_dict(), twin)
    logits = twin(torch.from_numpy(both.ids))
    logits.backward(torch.from_numpy(both.dlogits))
    gradients = {
        path: None if p.grad is None else p.grad.numpy() for path, p in twin.named_parameters()
    }
    check_equal((logits.detach().numpy(), named(both.ours, gradients)), both.theirs)


def test_float32_is_as_exact_as_the_librarys(both):
    narrow = from_pretrained(both.path, np.float32)
    ours = of_numpy(narrow, both.ids, both.dlogits.astype(np.float32))
    theirs = of_library(narrow, library.narrow(both.path), both.ids, both.dlogits)
    assert ours[0].dtype == np.float32
    assert {gradient.dtype for gradient in ours[1].values()} == {np.dtype(np.float32)}
    assert rounding(ours, both.theirs) < 2 * rounding(theirs, both.theirs)


def test_padding_on_the_left_is_as_the_librarys_mask(both):
    documents = np.array([[0] * 4 + [1] * 7, [1] * 11])
    dlogits = both.dlogits * (documents != 0)[:, :, None]
    at = np.maximum(np.cumsum(documents, axis=1) - 1, 0)
    theirs = of_library(
        both.ours, both.model, both.ids, dlogits, attention_mask=documents, position_ids=at
    )
    ours = of_numpy(both.ours, both.ids, dlogits, documents=documents)
    shown = documents != 0
    check_equal((ours[0][shown], ours[1]), (theirs[0][shown], theirs[1]))


def test_packed_texts_are_the_librarys_one_by_one(both):
    row, dlogits = both.ids[:1], both.dlogits[:1]
    documents = np.array([[1] * 5 + [2] * 6])
    parts = [slice(0, 5), slice(5, 11)]
    alone = [of_library(both.ours, both.model, row[:, p], dlogits[:, p]) for p in parts]
    logits = np.concatenate([run[0] for run in alone], axis=1)
    gradients = {name: alone[0][1][name] + alone[1][1][name] for name in alone[0][1]}
    check_equal(of_numpy(both.ours, row, dlogits, documents=documents), (logits, gradients))


def test_the_cache_goes_on_with_the_librarys_tokens(both):
    ids, new = both.ids[:, :5], 20  # past every window
    assert greedy(both.ours, ids, new) == library.greedy(both.model, ids, new)


def test_what_is_exported_has_the_same_tensors(both, tmp_path):
    """In the library's own order of names and shapes, and with the same numbers."""
    before = both.ours.source.tensors
    family, weights = both.ours.family, both.ours.model.state_dict()
    exported = Exported(family.entries(both.ours.model.config), weights)
    after = {family.file_name(name): exported[name] for name in exported}
    assert after.keys() == set(before)
    for name, tensor in after.items():
        assert np.array_equal(tensor, before[name]), name
