"""Every op's forward and gradients against PyTorch, against itself, and against its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer import ops
from npformer.cards.discovery import op_card, op_cards
from npformer.cards.strategies import HypothesisSource
from npformer.verify import arrays_like, check_arrays, seeds
from npformer.verify.components.registry import COMPONENTS
from npformer.verify.judge import check_case
from tests.examples import examples, of_every_component

DTYPES = (np.float64, np.float32)
OPS, OPTIMIZERS = (
    [c for c in COMPONENTS.values() if c.kind == kind] for kind in ("op", "optimizer")
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", OPS, ids=lambda c: c.name)
@of_every_component(2)
@given(data=st.data(), seed=seeds())
def test_an_op_agrees_with_every_oracle(component, dtype, data, seed):
    case = component.draw(HypothesisSource(data.draw), np.dtype(dtype))
    outcome = check_case(component, case, np.random.default_rng(seed))
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", OPTIMIZERS, ids=lambda c: c.name)
@of_every_component(1)
@given(data=st.data())
def test_an_optimizer_agrees_with_torch_optim(component, dtype, data):
    case = component.draw(HypothesisSource(data.draw), np.dtype(dtype))
    outcome = check_case(component, case, np.random.default_rng(0))
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


EDGES = [(card.name, words) for card in op_cards() for words in card.edges]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "words"), EDGES)
def test_an_edge_agrees_with_every_oracle(name, words, dtype):
    inputs, static = op_card(name).edges[words]
    arrays = {n: np.array(a, dtype) for n, a in inputs.items()}
    # Class weights, frozen matrices, norms that are given: floats as the inputs are.
    static = {
        n: a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for n, a in static.items()
    }
    outcome = check_arrays(name, arrays, seed=1, **static)
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


@examples(1)
@given(arrays_like("btd, d, d", least={"d": 1}), seeds())
@example([np.full((1, 2, 4), 3.0), np.ones(4), np.zeros(4)], 0)
def test_shifting_a_row_changes_no_layer_norm(arrays, seed):
    x, weight, bias = (np.clip(a, -100, 100) for a in arrays)
    shift = np.random.default_rng(seed).standard_normal((*x.shape[:-1], 1))
    y, _ = ops.layer_norm_forward(x, weight, bias, eps=1.0)
    moved, _ = ops.layer_norm_forward(x + shift, weight, bias, eps=1.0)
    np.testing.assert_allclose(moved, y, rtol=0, atol=1e-9)


@examples(1)
@given(arrays_like("btd", least={"d": 1}), seeds())
def test_shifting_a_row_changes_no_softmax(arrays, seed):
    x = np.clip(arrays[0], -100, 100)
    shift = np.random.default_rng(seed).standard_normal((*x.shape[:-1], 1))
    for forward in (ops.softmax_forward, ops.log_softmax_forward):
        np.testing.assert_allclose(forward(x + shift)[0], forward(x)[0], rtol=1e-12, atol=1e-12)


@examples(1)
@given(arrays_like("bv", least={"v": 1}), seeds())
def test_the_loss_is_the_mean_negative_log_softmax(arrays, seed):
    logits = np.clip(arrays[0], -100, 100)
    targets = np.random.default_rng(seed).integers(0, logits.shape[1], len(logits))
    loss, _ = ops.cross_entropy_forward(logits, targets)
    log_p, _ = ops.log_softmax_forward(logits)
    rows = -log_p[np.arange(len(targets)), targets]
    np.testing.assert_allclose(loss, rows.mean() if len(rows) else 0.0, rtol=1e-12, atol=1e-12)


@examples(1)
@given(arrays_like("btnh, bsnh, bsnh", least={"h": 1, "s": 1}))
def test_attention_of_one_key_is_its_value(arrays):
    q, k, v = (np.clip(a, -100, 100) for a in arrays)
    y, _ = ops.attention_forward(q, k[:, :1], v[:, :1])
    np.testing.assert_array_equal(y, np.broadcast_to(v[:, :1], y.shape))


@examples(1)
@given(arrays_like("btnh, bsnh, bsnh", least={"h": 1, "s": 1}), seeds())
def test_hiding_keys_is_the_same_as_leaving_them_out(arrays, seed):
    q, k, v = (np.clip(a, -10, 10) for a in arrays)
    shown = np.random.default_rng(seed).random(k.shape[1]) < 0.5
    y, cache = ops.attention_forward(q, k, v, shown[None, None, None, :])
    less, _ = ops.attention_forward(q, k[:, shown], v[:, shown])
    np.testing.assert_allclose(y, less, rtol=1e-12, atol=1e-12)
    _, dk, dv = ops.attention_backward(np.ones_like(y), cache)
    assert not dk[:, ~shown].any()
    assert not dv[:, ~shown].any()
