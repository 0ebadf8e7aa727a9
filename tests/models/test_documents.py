"""Texts packed into one row, and padding wherever it stands, against each text alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from npformer.errors import ShapeError
from npformer.models import make_model
from npformer.models.gpt import GPTConfig
from npformer.ops.masks import document_positions, documents_mask, packed_mask
from npformer.text.batches import Batch
from npformer.verify.bisect import bisect
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin

SMALL: dict[str, Any] = {
    "vocab_size": 11,
    "d_model": 8,
    "heads": 2,
    "d_ff": 6,
    "layers": 2,
    "max_length": 9,
}
WINDOWS: dict[str, Any] = {"window": 2, "window_pattern": "LG"}
SETTINGS: dict[str, dict[str, Any]] = {
    "sinusoidal": {"positions": "sinusoidal"},
    "sinusoidal_half": {"positions": "sinusoidal_half", "scale_embedding": True},
    "learned": {"positions": "learned", "tie_output": False},
    "rotary": {"positions": "rotary", **WINDOWS, "rotary_theta_local": 50.0, "qk_norm": "head"},
    "rotary_interleaved": {
        "positions": "rotary_interleaved",
        "rotary_fraction": 0.5,
        "kv_heads": 1,
    },
    "alibi": {"positions": "alibi", "sinks": True, **WINDOWS},
    "t5": {"positions": "t5", "softcap": 2.0, "logit_softcap": 3.0},
    "delta": {"positions": "rotary", "delta_pattern": "DA", "delta_key_heads": 1},
    "kimi": {"positions": "rotary", "delta_pattern": "KA", "delta_key_size": 3},
    "mamba": {"positions": "none", "delta_pattern": "SA", "delta_key_heads": 1},
    "none": {"positions": "none", "sinks": True, "attention_gate": True, **WINDOWS},
}


def model_and_twin(name):
    """With every parameter off its initial value."""
    config = GPTConfig(**SMALL, dropout=0.0, **SETTINGS[name])
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def gradients(model):
    found = {name: p.grad.copy() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


rows = st.lists(
    st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=4),
    min_size=1,
    max_size=3,
)
"""Of each row the parts, of which some are padding, and their lengths."""


def numbered(drawn):
    """(B, T) documents; a text's number is its place, for numbers need not count on."""
    width = max(sum(size for _, size in row) for row in drawn)
    documents = np.zeros((len(drawn), width), np.int64)
    for row, parts in enumerate(drawn):
        at = 0
        for text, size in parts:
            documents[row, at : at + size] = 3 * at + 2 if text else 0
            at += size
    return documents


@pytest.mark.parametrize("name", SETTINGS)
@given(drawn=rows, seed=st.integers(0, 2**32 - 1))
@settings(max_examples=6)
def test_a_text_in_a_row_is_the_text_alone(name, drawn, seed):
    model, twin = model_and_twin(name)
    documents, rng = numbered(drawn), np.random.default_rng(seed)
    ids = rng.integers(0, SMALL["vocab_size"], documents.shape)
    logits, cache = model.forward(ids, documents=documents)
    dlogits = rng.standard_normal(logits.shape)
    model.backward(dlogits, cache)
    packed = gradients(model)

    alone = np.zeros_like(logits)
    for row, number in {(b, n) for b, n in zip(*np.nonzero(documents), strict=True)}:
        if number and documents[row, number] == documents[row, number - 1]:
            continue
        here = np.flatnonzero(documents[row] == documents[row, number])
        alone[row, here], cache = model.forward(ids[None, row, here])
        model.backward(dlogits[None, row, here], cache)
    np.testing.assert_allclose(logits, alone, atol=1e-12)
    apart = gradients(model)
    for path, gradient in packed.items():
        np.testing.assert_allclose(gradient, apart.get(path, 0), atol=1e-11, err_msg=path)

    theirs = twin(torch.tensor(ids), documents=torch.tensor(documents))
    theirs.backward(torch.tensor(dlogits))
    np.testing.assert_allclose(logits, theirs.detach(), atol=1e-12)
    for path, parameter in twin.named_parameters():
        np.testing.assert_allclose(packed[path], parameter.grad, atol=1e-11, err_msg=path)


@pytest.mark.parametrize("name", SETTINGS)
def test_prompts_of_several_lengths_go_on_as_one_batch(name):
    model, twin = model_and_twin(name)
    lengths = [4, 1, 3]
    ids = np.random.default_rng(2).integers(1, SMALL["vocab_size"], (3, 8))
    documents = np.array([[1] * 4, [0, 0, 0, 5], [0, 2, 2, 2]])
    for each in (model, twin):
        state = each.start(documents)
        steps = [each.step(ids[:, :2], state), each.step(ids[:, 2:4], state)]
        steps += [each.step(ids[:, t], state) for t in (4, 5)]
        state.select(np.array([2, 0, 2]))
        steps += [each.step(ids[[2, 0, 2], t], state) for t in (6, 7)]
        for row, length in enumerate(lengths):
            whole = model.forward(ids[row : row + 1, 4 - length :])[0][0]
            after = [place for place, chosen in enumerate((2, 0, 2)) if chosen == row]
            for t, places in ((3, [row]), (5, [row]), (7, after)):
                for place in places:
                    found = steps[t - 2][place]
                    np.testing.assert_allclose(found, whole[t - 4 + length], atol=1e-12)


def test_padding_has_no_limit_of_length_and_a_text_has():
    model, twin = model_and_twin("learned")
    documents = np.array([[0] * 5 + [1] * 9 + [2] * 3])
    ids = np.ones(documents.shape, int)
    for each, given_ids, numbers in (
        (model, ids, documents),
        (twin, torch.tensor(ids), torch.tensor(documents)),
    ):
        each.forward(given_ids, documents=numbers)
        with pytest.raises(ShapeError, match="12 tokens; the model takes 9"):
            each.forward(given_ids, documents=numbers * 0 + (numbers > 0))
        state = each.start(documents[:, 5:14])
        each.step(ids[:, :9], state)
        with pytest.raises(ShapeError, match="10 tokens; the model takes 9"):
            each.step(ids[:, 0], state)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([[1, 1], [1, 1]], r"shape \(2, 2\) for token ids of shape \(1, 3\)"),
        ([1, 1, 1], r"shape \(3,\) for token ids of shape \(1, 3\)"),
        ([[1.0, 1.0, 1.0]], "float64"),
    ],
)
def test_other_documents_are_refused(documents, message):
    model, twin = model_and_twin("none")
    with pytest.raises(ShapeError, match=message):
        model.forward(np.ones((1, 3), int), documents=np.array(documents))
    with pytest.raises(ShapeError, match=message):
        twin(torch.ones(1, 3, dtype=torch.int64), documents=torch.tensor(np.array(documents)))


def test_a_text_in_two_parts_is_refused():
    model, _ = model_and_twin("none")
    with pytest.raises(ShapeError, match="row 1 of documents is in text 7 twice"):
        model.forward(np.ones((2, 4), int), documents=np.array([[1, 1, 2, 0], [7, 3, 0, 7]]))


def test_no_text_goes_on_after_padding():
    for each in model_and_twin("none"):
        for documents in (np.array([[1, 1], [1, 0]]), np.zeros((1, 0), int)):
            with pytest.raises(ShapeError, match="ends in padding"):
                each.start(documents)


@pytest.mark.parametrize("name", ["learned", "rotary"])
def test_a_batch_of_packed_rows_is_bisected(name):
    model, twin = model_and_twin(name)
    ids = np.random.default_rng(3).integers(1, SMALL["vocab_size"], (2, 6))
    documents = np.array([[1, 1, 2, 2, 2, 0], [0, 0, 1, 1, 1, 1]])
    batch = Batch({"target": ids, "documents": documents}, np.where(documents, ids[::-1], 0))
    for reference in (twin, model_and_twin(name)[0]):
        assert bisect(model, reference, batch, seed=1)


def test_documents_say_what_offsets_say():
    offsets = np.array([0, 2, 3, 7])
    documents = np.array([[4, 4, 1, 2, 2, 2, 2, 0, 0]])
    np.testing.assert_array_equal(documents_mask(documents)[0, 0], packed_mask(offsets, 9))
    assert document_positions(documents).tolist() == [[0, 1, 0, 0, 1, 2, 3, 0, 0]]
