"""An encoder alone: vectors of texts, padding on either side, and what the house does with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.errors import ConfigError
from npformer.inspect import record
from npformer.models import families, make_model
from npformer.models.bert import BERT, BERTConfig
from npformer.nn.pooling import POOLINGS
from npformer.text.batches import Batch
from npformer.verify.bisect import bisect
from torch_ref.bridge import to_torch
from torch_ref.inspect import record as record_twin
from torch_ref.models import make_twin

SMALL = dict(vocab_size=11, d_model=8, heads=2, d_ff=12, layers=2, max_length=12)
MODERN = dict(
    norm="pre",
    norm_type="layer_norm_no_bias",
    first_norm=False,
    positions="rotary",
    window=3,
    window_pattern="GLL",
    rotary_theta_local=100.0,
    activation="geglu",
    attention_bias="none",
    feed_forward_bias=False,
    token_types=0,
)


def model_and_twin(**settings):
    """With every parameter off its initial value."""
    config = BERTConfig(**{**SMALL, **settings})
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def padded(left: bool) -> np.ndarray:
    ids = np.zeros((3, 7), np.int64)
    for row, length in enumerate((7, 4, 1)):
        words = np.random.default_rng(row).integers(1, 11, length)
        ids[row, -length:] = words
        if not left:
            ids[row] = np.roll(ids[row], length)
    return ids


def test_it_is_a_family():
    assert families()["bert"] is BERT
    assert not BERT.decodes


@pytest.mark.parametrize("settings", [{}, MODERN], ids=["bert", "modern"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("left", [False, True])
def test_vectors_and_their_gradients_are_the_twins(settings, pooling, left):
    model, twin = model_and_twin(**settings, pooling=pooling)
    ids = padded(left)
    vectors, cache = model.encode(ids)
    dvectors = np.random.default_rng(3).standard_normal(vectors.shape)
    model.encode_backward(dvectors, cache)
    theirs = twin.encode(torch.from_numpy(ids))
    theirs.backward(torch.from_numpy(dvectors))
    np.testing.assert_allclose(vectors, theirs.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-12)
    gradients = {name: p.grad for name, p in twin.named_parameters()}
    for name, parameter in model.named_parameters():
        if gradients[name] is None:
            assert parameter.grad is None or not parameter.grad.any(), name  # of the head
        else:
            expected = gradients[name].numpy()
            np.testing.assert_allclose(parameter.grad, expected, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("settings", [{}, MODERN, {"positions": "t5"}])
def test_a_text_is_what_it_is_alone_wherever_its_padding_stands(settings):
    model, _ = model_and_twin(**settings)
    whole = padded(left=False)
    for left in (False, True):
        ids = padded(left)
        logits, vectors = model.forward(ids)[0], model.encode(ids)[0]
        for row, shown in enumerate(whole):
            alone = shown[shown != 0][None]
            np.testing.assert_allclose(
                logits[row][ids[row] != 0], model.forward(alone)[0][0], atol=1e-12
            )
            np.testing.assert_allclose(vectors[row], model.encode(alone)[0][0], atol=1e-12)


def test_every_token_sees_those_after_it_as_far_as_its_window():
    """Both sides of a window: a token changes the states of those up to two places away."""
    model, _ = model_and_twin(**{**MODERN, "window_pattern": "L", "layers": 1})
    ids = padded(left=False)[:1]
    other = ids.copy()
    other[0, 3] = ids[0, 3] % 10 + 1
    moved = abs(model.forward(ids)[0] - model.forward(other)[0]).max(axis=(0, 2)) > 1e-9
    np.testing.assert_array_equal(moved, [False, True, True, True, True, True, False])


def some_batch() -> Batch:
    ids = padded(left=False)
    return Batch({"target": ids}, np.where(ids, (ids + 1) % 11, 0))


@pytest.mark.parametrize("settings", [{}, MODERN], ids=["bert", "modern"])
def test_both_engines_record_the_same_calls(settings):
    model, twin = model_and_twin(**settings)
    ours, theirs = record(model, some_batch()), record_twin(twin, some_batch())
    assert ours.paths == theirs.paths
    assert "encoder.layers.1.self_attn.attention" in ours
    for path, gradient in ours.gradients.items():
        np.testing.assert_allclose(gradient, theirs.gradients[path], atol=1e-13, err_msg=path)


def test_a_mistake_is_bisected():
    model, twin = model_and_twin()
    assert bisect(model, twin, some_batch(), seed=3)

    class Leaky(type(model.head_norm)):
        def backward(self, dy, cache):
            return 2 * super().backward(dy, cache)

    model.head_norm.__class__ = Leaky
    found = bisect(model, twin, some_batch(), seed=3)
    assert found.activation is None
    assert found.gradient.path == "head_norm"


def test_a_model_of_vectors_alone_says_so():
    model, twin = model_and_twin(masked_head=False)
    assert model.encode(padded(left=False))[0].shape == (3, 8)
    with pytest.raises(ConfigError, match="no head that predicts tokens.*npformer embed"):
        model.forward(padded(left=False))
    with pytest.raises(ConfigError, match="no head that predicts tokens"):
        twin(torch.from_numpy(padded(left=False)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"padding_id": None}, "padding_id is not given"),
        ({"first_norm": False}, "it goes with norm pre and embedding_norm"),
        ({"masked_head": False, "head_bias": False}, "head_bias is the head's"),
        ({"token_types": -1}, "token_types is -1"),
        ({"positions": "t5", "relative_buckets": 3}, "relative_buckets.*there are 3 buckets"),
        ({"relative_max_distance": 9}, "relative_max_distance is for t5's positions"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        BERTConfig(**{**SMALL, **settings})


def test_types_are_refused_where_there_are_none():
    model, _ = model_and_twin(**MODERN)
    with pytest.raises(ConfigError, match="types are given"):
        model.forward(padded(left=False), types=np.zeros((3, 7), np.int64))
