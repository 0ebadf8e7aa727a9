"""Every module, and the whole model: each parameter's gradient by name against the twin's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.cards.module_draws import draw_parameters
from npformer.cards.strategies import HypothesisSource
from npformer.models import Model, Transformer
from npformer.models.transformer import TransformerConfig
from npformer.nn import Layer, MultiHeadAttention, Stack
from npformer.verify import seeds
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.judge import check_case
from tests.examples import examples, of_every_component

MODULES = [c for c in COMPONENTS.values() if c.kind == "module"]
LARGE = [c for c in MODULES if issubclass(c.card.module, Layer | Stack | Model)]
SMALL = [c for c in MODULES if c not in LARGE]
DTYPES = (np.float64, np.float32)
RNG = np.random.default_rng
CONFIG = TransformerConfig(
    vocab_size=11, d_model=6, heads=2, d_ff=8, encoder_layers=2, decoder_layers=2, dropout=0.0,
    max_length=8,
)  # fmt: skip


def assert_agrees(component, dtype, data, seed):
    case = component.draw(HypothesisSource(data.draw), np.dtype(dtype))
    outcome = check_case(component, case, np.random.default_rng(seed))
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", SMALL, ids=lambda c: c.name)
@of_every_component(1)
@given(data=st.data(), seed=seeds())
def test_a_module_agrees_with_its_twin(component, dtype, data, seed):
    assert_agrees(component, dtype, data, seed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", LARGE, ids=lambda c: c.name)
@of_every_component(0.4)
@given(data=st.data(), seed=seeds())
def test_a_model_agrees_with_its_twin(component, dtype, data, seed):
    assert_agrees(component, dtype, data, seed)


def moved(module, seed):
    """The module with its parameters off their initial values."""
    rng = np.random.default_rng(seed)
    module.load_state_dict(draw_parameters(module, rng, np.float64))
    return module, rng


def model(seed, **changes):
    config = TransformerConfig(**{**vars(CONFIG), **changes})
    return moved(Transformer(config, rng=np.random.default_rng(0), dtype=np.float64), seed)


@examples(0.5)
@given(seeds(), st.sampled_from(["post", "pre"]))
def test_a_key_bias_has_no_gradient(seed, norm):
    transformer, rng = model(seed, norm=norm)
    logits, cache = transformer.forward(rng.integers(1, 11, (2, 5)), rng.integers(1, 11, (2, 4)))
    transformer.backward(rng.standard_normal(logits.shape), cache)
    gradients = {n: p.grad for n, p in transformer.named_parameters()}
    for name, gradient in gradients.items():
        if name.endswith("k_proj.bias"):
            weight = gradients[name.replace("bias", "weight")]
            assert np.abs(gradient).max() <= 1e-12 * (1 + np.abs(weight).max())


@examples(0.5)
@given(seeds(), st.integers(0, 3))
def test_a_logit_sees_no_later_target(seed, position):
    transformer, rng = model(seed)
    source, target = rng.integers(1, 11, (2, 5)), rng.integers(1, 11, (2, 4))
    later = target.copy()
    later[:, position + 1 :] = rng.integers(1, 11, later[:, position + 1 :].shape)
    first, _ = transformer.forward(source, target)
    second, _ = transformer.forward(source, later)
    np.testing.assert_array_equal(first[:, : position + 1], second[:, : position + 1])


@examples(0.5)
@given(seeds(), st.integers(1, 3))
def test_padding_the_source_changes_no_logit(seed, padding):
    transformer, rng = model(seed)
    source, target = rng.integers(1, 11, (2, 4)), rng.integers(1, 11, (2, 3))
    padded = np.pad(source, ((0, 0), (0, padding)), constant_values=CONFIG.padding_id)
    np.testing.assert_allclose(
        transformer.forward(padded, target)[0], transformer.forward(source, target)[0], atol=1e-12
    )


@examples(0.5)
@given(seeds())
def test_no_gradient_reaches_a_hidden_memory_position(seed):
    decoder = Layer(6, 2, 8, causal=True, cross_attention=True, rng=RNG(0), dtype=np.float64)
    layer, rng = moved(decoder, seed)
    shown = rng.random((2, 1, 1, 5)) < 0.6
    x, memory = rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 6))
    y, cache = layer.forward(x, memory, memory_mask=shown)
    _, dmemory = layer.backward(rng.standard_normal(y.shape), cache)
    assert not dmemory[~shown[:, 0, 0]].any()


@examples(0.5)
@given(seeds())
def test_an_encoder_without_positions_does_not_know_an_order(seed):
    encoder, rng = moved(Stack(2, 6, 2, 8, rng=RNG(0), dtype=np.float64), seed)
    x, dy = rng.standard_normal((2, 2, 5, 6))
    order = rng.permutation(5)
    y, cache = encoder.forward(x)
    turned, turned_cache = encoder.forward(x[:, order])
    np.testing.assert_allclose(turned, y[:, order], atol=1e-12)
    dx = encoder.backward(dy, cache)
    np.testing.assert_allclose(
        encoder.backward(dy[:, order], turned_cache), dx[:, order], atol=1e-11
    )


@examples(0.5)
@given(seeds())
def test_calling_a_module_twice_adds_both_gradients(seed):
    attention, rng = moved(
        MultiHeadAttention(6, 2, rng=np.random.default_rng(0), dtype=np.float64), seed
    )
    calls = [rng.standard_normal((3, 2, 4, 6)) for _ in range(2)]
    alone = []
    for x, memory, dy in calls:
        attention.backward(dy, attention.forward(x, memory)[1])
        alone.append({n: p.grad.copy() for n, p in attention.named_parameters()})
        attention.zero_grad()
    caches = [attention.forward(x, memory)[1] for x, memory, _ in calls]
    for (_, _, dy), cache in zip(calls, caches, strict=True):
        attention.backward(dy, cache)
    for name, parameter in attention.named_parameters():
        both = alone[0][name] + alone[1][name]
        np.testing.assert_allclose(parameter.grad, both, rtol=1e-12, atol=1e-12)
