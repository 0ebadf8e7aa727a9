"""Every op's forward and gradients against PyTorch, against itself, and against its invariants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from npformer import ops
from npformer.verify import arrays_like, check_arrays, seeds
from npformer.verify.components.ops_table import OPS
from npformer.verify.components.optimizers import OPTIMIZERS
from npformer.verify.drawing.strategies import HypothesisSource
from npformer.verify.judge import check_case
from tests.examples import examples

DTYPES = (np.float64, np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", OPS, ids=lambda c: c.name)
@examples(4)
@given(data=st.data(), seed=seeds())
def test_an_op_agrees_with_every_oracle(component, dtype, data, seed):
    case = component.draw(HypothesisSource(data.draw), np.dtype(dtype))
    outcome = check_case(component, case, np.random.default_rng(seed))
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("component", OPTIMIZERS, ids=lambda c: c.name)
@examples(1)
@given(data=st.data())
def test_an_optimizer_agrees_with_torch_optim(component, dtype, data):
    case = component.draw(HypothesisSource(data.draw), np.dtype(dtype))
    outcome = check_case(component, case, np.random.default_rng(0))
    assert not outcome.failures, "\n".join(map(str, outcome.failures))


# Edges that must be looked at whatever Hypothesis draws: name, inputs, static arguments.
INF = np.inf
EDGES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "no variance": ("layer_norm", {"x": np.full((1, 2, 4), 3.0), "weight": [2.0, 1, -1, 0.5],
                                   "bias": np.zeros(4)}, {}),
    "width 1": ("layer_norm", {"x": [[3.0], [-1]], "weight": [2.0], "bias": [1.0]}, {}),
    "width 2 of large equal numbers": (
        "layer_norm", {"x": [[1e30, 1e30]], "weight": [2.0, 3], "bias": [0.0, 1]}, {}),
    "no rows, layer norm": (
        "layer_norm", {"x": np.zeros((0, 3, 4)), "weight": np.ones(4), "bias": np.ones(4)}, {}),
    "no rows, linear": ("linear", {"x": np.zeros((0, 4)), "weight": np.ones((3, 4)),
                                   "bias": np.ones(3)}, {}),
    "no inputs, linear": ("linear", {"x": np.zeros((2, 0)), "weight": np.ones((3, 0)),
                                     "bias": [1.0, 2, 3]}, {}),
    "repeated ids": ("embedding", {"weight": np.arange(12.0).reshape(4, 3)},
                     {"ids": np.array([[1, 1], [1, 3]])}),
    "only padding": ("embedding", {"weight": np.ones((4, 3))},
                     {"ids": np.array([2, 2]), "padding_idx": 2}),
    "no width, embedding": ("embedding", {"weight": np.ones((4, 0))}, {"ids": np.array([2, 2])}),
    "softmax far apart": ("softmax", {"x": [[1e30, -1e30, 0.0]]}, {}),
    "softmax of -inf": ("softmax", {"x": [[-INF, 1.0, 2.0]]}, {}),
    "softmax of one": ("softmax", {"x": [[5.0], [-5.0]]}, {}),
    "softmax of none": ("softmax", {"x": np.zeros((2, 0))}, {}),
    "log-softmax far apart": ("log_softmax", {"x": [[1e30, -1e30, 0.0]]}, {}),
    "everything hidden": (
        "attention", {"q": np.ones((1, 2, 1, 3)), "k": np.ones((1, 4, 1, 3)),
                      "v": np.ones((1, 4, 1, 2))}, {"mask": np.zeros((1, 1, 1, 4), bool)}),
    "one row hidden": (
        "attention", {"q": np.ones((1, 2, 1, 3)), "k": np.eye(4, 3)[None, :, None, :],
                      "v": np.eye(4, 2)[None, :, None, :]},
        {"mask": np.array([[True] * 4, [False] * 4])}),
    "fewer keys than queries, causal": (
        "attention", {"q": np.ones((1, 4, 1, 3)), "k": np.eye(2, 3)[None, :, None, :],
                      "v": np.eye(2)[None, :, None, :]}, {"causal": True}),
    "ReLU at its corner": ("relu", {"x": [0.0, -0.0, 1.0, -1.0]}, {}),
    "GELU's tails": ("gelu", {"x": [-30.0, -12, -6, -3, 3, 6, 12, 30]}, {}),
    "GELU's tails, tanh": ("gelu", {"x": [-30.0, -9, -6, -3, 3, 6, 9, 30]},
                           {"approximate": "tanh"}),
    "SiLU's tails": ("silu", {"x": [-80.0, -30, -5, 5, 30, 80]}, {}),
    "all targets ignored": ("cross_entropy", {"logits": [[1.0, 2], [3, 4]]},
                            {"targets": np.array([-100, -100])}),
    "one class": ("cross_entropy", {"logits": [[1.0], [3]]},
                  {"targets": np.array([0, 0]), "label_smoothing": 0.1}),
    "logits far apart": ("cross_entropy", {"logits": [[1e30, -1e30], [0, 1e30]]},
                         {"targets": np.array([1, 1])}),
    "a class ruled out": ("cross_entropy", {"logits": [[-INF, 1.0, 2]]},
                          {"targets": np.array([1])}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_agrees_with_every_oracle(edge, dtype):
    name, inputs, static = EDGES[edge]
    arrays = {n: np.array(a, dtype) for n, a in inputs.items()}
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
