"""What the whole model promises, beyond its gradients (those are in tests/test_gradients.py)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import ShapeError
from npformer.models import Transformer
from npformer.models.transformer import TransformerConfig

VOCABULARY = 13


def make(**changes) -> Transformer:
    config = TransformerConfig(
        **{
            "vocab_size": VOCABULARY,
            "d_model": 12,
            "heads": 3,
            "d_ff": 16,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "max_length": 8,
            **changes,
        }
    )
    return Transformer(config, rng=np.random.default_rng(1), dtype=np.float64)


def ids(seed: int, rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, VOCABULARY, (rows, length))


@pytest.mark.parametrize("norm", ["post", "pre"])
@given(seed=st.integers(0, 2**32), position=st.integers(0, 5))
def test_no_logit_knows_a_later_token(norm: str, seed: int, position: int) -> None:
    model, source, target = make(norm=norm), ids(seed, 2, 5), ids(seed + 1, 2, 6)
    other = target.copy()
    other[:, position:] = ids(seed + 2, 2, 6)[:, position:]
    a, b = (model.forward(source, t)[0] for t in (target, other))
    np.testing.assert_array_equal(a[:, :position], b[:, :position])


@given(seed=st.integers(0, 2**32), padding=st.integers(1, 3))
def test_padding_changes_no_logit_of_a_real_token(seed: int, padding: int) -> None:
    model, source, target = make(), ids(seed, 2, 5), ids(seed + 1, 2, 4)
    plain, _ = model.forward(source, target)
    wide = (np.pad(x, ((0, 0), (0, padding))) for x in (source, target))
    padded, _ = model.forward(*wide)
    np.testing.assert_allclose(padded[:, :4], plain, rtol=0, atol=1e-13)


@given(seed=st.integers(0, 2**32))
def test_sentences_of_a_batch_do_not_meet(seed: int) -> None:
    model, source, target = make(), ids(seed, 3, 5), ids(seed + 1, 3, 4)
    together, _ = model.forward(source, target)
    for row in range(3):
        alone, _ = model.forward(source[row : row + 1], target[row : row + 1])
        np.testing.assert_allclose(together[row], alone[0], rtol=0, atol=1e-13)


def test_a_source_of_nothing_but_padding_gives_finite_logits_and_gradients() -> None:
    model = make()
    logits, cache = model.forward(np.zeros((1, 3), int), ids(0, 1, 4))
    assert np.isfinite(logits).all()
    model.backward(np.ones_like(logits), cache)
    assert all(np.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_float32_and_float64_models_start_at_the_same_point() -> None:
    config = make().config
    narrow = Transformer(config, rng=np.random.default_rng(1), dtype=np.float32)
    for name, array in make().state_dict().items():
        np.testing.assert_array_equal(narrow.state_dict()[name], array.astype(np.float32))


def test_dropout_is_the_generators() -> None:
    model, source, target = make(dropout=0.5), ids(0, 2, 5), ids(1, 2, 4)
    first, second, other, none = (
        model.forward(source, target, seed if seed is None else np.random.default_rng(seed))[0]
        for seed in (7, 7, 8, None)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any() and (first != none).any()


def test_untied_model_has_a_projection_of_its_own() -> None:
    tied, untied = make().state_dict(), make(tie_output=False).state_dict()
    assert untied.keys() - tied.keys() == {"output_proj.weight"}


def test_wrong_ids_are_refused() -> None:
    model, source, target = make(), ids(0, 2, 5), ids(1, 2, 4)
    with pytest.raises(ShapeError, match=r"\(5,\); they must be \(batch, length\)"):
        model.forward(source[0], target)
    with pytest.raises(ShapeError, match="9 tokens; the model takes 8"):
        model.forward(ids(0, 2, 9), target)
    for wrong in (VOCABULARY, -1):
        with pytest.raises(IndexError, match=f"{wrong} is out of range"):
            model.forward(np.where(source == source, wrong, 0), target)


def test_decoding_past_the_longest_sequence_is_refused() -> None:
    model = make()
    state = model.start(ids(0, 2, 5))
    for _ in range(8):
        model.step(np.array([2, 3]), state)
    with pytest.raises(ShapeError, match="9 tokens; the model takes 8"):
        model.step(np.array([2, 3]), state)
