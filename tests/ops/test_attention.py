from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given
from hypothesis import strategies as st

from npformer.errors import ConfigError, ShapeError
from npformer.ops import (
    attention_backward,
    attention_forward,
    causal_mask,
    softcap_forward,
)
from tests.examples import examples
from tests.ops.oracle import assert_same, autograd

B, T, S, N, H, HV = 2, 3, 5, 4, 6, 7


def inputs(seed=0, dtype=np.float64, t=T, s=S):
    rng = np.random.default_rng(seed)
    shapes = (B, t, N, H), (B, s, N, H), (B, s, N, HV), (B, t, N, HV)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def torch_attention(mask=None, scale=None, causal=False):
    def call(*tensors):
        q, k, v = (t.transpose(1, 2) for t in tensors)
        bias = None if mask is None else torch.tensor(mask)
        y = F.scaled_dot_product_attention(q, k, v, bias, is_causal=causal, scale=scale)
        return y.transpose(1, 2)

    return call


def check(q, k, v, dy, mask=None, *, twin_mask=None, **options):
    y, cache = attention_forward(q, k, v, mask, **options)
    if twin_mask is None and mask is not None:
        twin_mask = np.broadcast_to(mask, (B, N, q.shape[1], k.shape[1])).copy()
    if twin_mask is not None:
        options.pop("causal", None)
    theirs = autograd(torch_attention(twin_mask, **options), dy, q, k, v)
    for ours, other in zip([y, *attention_backward(dy, cache)], theirs, strict=True):
        assert_same(ours, other, eps=16)
    return y


MASKS = {
    "everything": np.ones((B, N, T, S), bool),
    "of (T, S)": np.arange(15).reshape(T, S) % 3 != 0,
    "padding": np.arange(S)[None, None, None, :] < np.array([5, 2])[:, None, None, None],
    "of one head": np.arange(B * N * T * S).reshape(B, N, T, S) % 7 != 0,
    "one row hidden": np.arange(T)[:, None] != 1,
    "nothing at all": np.zeros((B, 1, 1, S), bool),
    "scalar": np.array(True),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_masks_agree_with_pytorch(mask, scale):
    check(*inputs(), mask, scale=scale)


@pytest.mark.parametrize(("t", "s"), [(3, 3), (3, 5), (5, 3), (1, 4), (4, 1)])
def test_causal_is_aligned_to_the_last_key(t, s):
    """PyTorch's is_causal is aligned to the first; both are the same where t = s."""
    check(*inputs(t=t, s=s), causal=True, twin_mask=np.tril(np.ones((t, s), bool), s - t))


def test_causal_and_a_mask_hold_together():
    mask = MASKS["padding"]
    check(*inputs(), mask, causal=True, twin_mask=np.broadcast_to(
        mask & causal_mask(T, S), (B, N, T, S)).copy())  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_that_may_attend_to_nothing_is_zero_and_sends_nothing_back(dtype):
    q, k, v, dy = inputs(dtype=dtype)
    mask = np.ones((B, N, T, S), bool)
    mask[1, 2, 0] = False
    y, cache = attention_forward(q, k, v, mask)
    assert not y[1, 0, 2].any()
    assert not cache.probs[1, 2, 0].any()
    only = np.zeros_like(dy)
    only[1, 0, 2] = dy[1, 0, 2]
    for gradient in attention_backward(only, cache):
        assert not gradient.any()


def test_nothing_flows_through_a_mask_whatever_is_behind_it():
    q, k, v, dy = inputs()
    mask = np.arange(S) != 2
    y, cache = attention_forward(q, k, v, mask)
    dq, dk, dv = attention_backward(dy, cache)
    k2, v2 = k.copy(), v.copy()
    k2[:, 2], v2[:, 2] = 1e300, -1e300
    y2, cache2 = attention_forward(q, k2, v2, mask)
    assert not dk[:, 2].any()
    assert not dv[:, 2].any()
    np.testing.assert_array_equal(y2, y)
    np.testing.assert_array_equal(attention_backward(dy, cache2)[0], dq)


PARTS = ("q", "k", "v", "dy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@examples(5)
@given(
    seed=st.integers(0, 2**32),
    parts=st.sets(st.sampled_from(PARTS), min_size=1),
    shape=st.sampled_from([(S,), (B, 1, 1, S), (T, S), (B, N, T, S), None]),
    causal=st.booleans(),
)
@example(seed=0, parts={"v"}, shape=(S,), causal=False)
@example(seed=0, parts={"k"}, shape=None, causal=True)
def test_what_is_hidden_may_be_no_number(dtype, seed, parts, shape, causal):
    """Who sees no NaN, inf or huge number gets the y and the gradients of zeros in their place."""
    rng = np.random.default_rng(seed)
    mask = None if shape is None else rng.random(shape) < 0.6
    clean = dict(zip(PARTS, inputs(seed, dtype), strict=True))
    dirty, bad = {}, {}
    for name, array in clean.items():
        holds = rng.random(array.shape) < 0.1 * (name in parts)
        array[holds] = 0
        worst = rng.choice(np.array([np.nan, np.inf, -np.inf, 0.9 * np.finfo(dtype).max], dtype))
        dirty[name] = np.where(holds, worst, array)
        bad[name] = holds.any(-1).swapaxes(1, 2)  # (B, N, T or S)

    sees = np.ones((B, N, T, S), bool) if mask is None else np.broadcast_to(mask, (B, N, T, S))
    sees = sees & causal_mask(T, S) if causal else sees
    query = bad["q"] | bad["dy"] | (sees & (bad["k"] | bad["v"])[:, :, None]).any(-1)
    key = bad["k"] | bad["v"] | (sees & query[..., None]).any(-2)

    def run(q, k, v, dy):
        y, cache = attention_forward(q, k, v, mask, causal=causal)
        return (y, *attention_backward(dy, cache))

    found, expected = run(**dirty), run(**clean)
    for ours, theirs, touched in zip(found, expected, (query, query, key, key), strict=True):
        untouched = ~touched.swapaxes(1, 2)
        assert_same(ours[untouched], theirs[untouched])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_seen_is_not_left_out(value):
    q, k, v, dy = inputs()
    hidden, seen = v.copy(), v.copy()
    hidden[:, 1] = np.nan
    seen[:, 1], seen[:, 2, :, 0] = np.nan, value
    mask = np.arange(S) != 1
    y, cache = attention_forward(q, k, seen, mask)
    np.testing.assert_array_equal(y[..., 0], np.full((B, T, N), value))
    np.testing.assert_array_equal(y[..., 1:], attention_forward(q, k, hidden, mask)[0][..., 1:])
    dq, dk, dv = attention_backward(dy, cache)
    assert not np.isfinite(dq).any()
    assert not np.isfinite(dk[:, mask]).any()
    assert not dk[:, 1].any()
    assert np.isfinite(dv).all()


def test_pytorch_gives_nan_for_a_hidden_value_that_is_none():
    """Ours differs: PyTorch multiplies what is hidden by 0."""
    q, k, v, dy = inputs()
    v[:, 2] = np.nan
    mask = np.broadcast_to(np.arange(S) != 2, (B, N, T, S)).copy()
    y, dq, dk, dv = autograd(torch_attention(mask), dy, q, k, v)
    assert np.isnan(y).all()
    assert np.isnan(dq).all()
    assert np.isnan(dk).all()
    assert np.isfinite(dv).all()
    y, cache = attention_forward(q, k, v, mask)
    assert all(np.isfinite(each).all() for each in (y, *attention_backward(dy, cache)))


def test_a_vector_added_to_every_key_changes_nothing_and_gets_no_gradient():
    q, k, v, dy = inputs(1)
    y, cache = attention_forward(q, k, v)
    shift = np.random.default_rng(2).standard_normal((1, 1, N, H))
    np.testing.assert_allclose(attention_forward(q, k + shift, v)[0], y, atol=1e-14)
    dk = attention_backward(dy, cache)[1]
    np.testing.assert_allclose(dk.sum(axis=1), 0, atol=1e-14)


def test_the_order_of_the_keys_does_not_matter():
    q, k, v, dy = inputs(3)
    order = np.array([3, 0, 4, 1, 2])
    mask = np.random.default_rng(3).random((B, 1, T, S)) < 0.7
    y, cache = attention_forward(q, k, v, mask)
    y2, cache2 = attention_forward(q, k[:, order], v[:, order], mask[..., order])
    np.testing.assert_allclose(y2, y, atol=1e-14)
    dq, dk, dv = attention_backward(dy, cache)
    dq2, dk2, dv2 = attention_backward(dy, cache2)
    np.testing.assert_allclose(dq2, dq, atol=1e-14)
    np.testing.assert_allclose(dk2, dk[:, order], atol=1e-14)
    np.testing.assert_allclose(dv2, dv[:, order], atol=1e-14)


def test_a_causal_query_is_blind_to_what_follows():
    q, k, v, dy = inputs(4, t=S)
    y, cache = attention_forward(q, k, v, causal=True)
    k2, v2 = k.copy(), v.copy()
    k2[:, 3:], v2[:, 3:] = 9.0, -9.0
    np.testing.assert_array_equal(attention_forward(q, k2, v2, causal=True)[0][:, :3], y[:, :3])
    early = dy.copy()
    early[:, 3:] = 0
    _, dk, dv = attention_backward(early, cache)
    assert not dk[:, 3:].any()
    assert not dv[:, 3:].any()


def test_no_keys_at_all():
    q, k, v, dy = inputs(s=0)
    y, cache = attention_forward(q, k, v)
    np.testing.assert_array_equal(y, np.zeros((B, T, N, HV)))
    dq, dk, dv = attention_backward(dy, cache)
    assert not dq.any()
    assert (dk.shape, dv.shape) == (k.shape, v.shape)


def test_no_queries_at_all():
    q, k, v, dy = inputs(t=0)
    y, cache = attention_forward(q, k, v)
    assert y.shape == (B, 0, N, HV)
    dq, dk, dv = attention_backward(dy, cache)
    assert dq.shape == q.shape
    assert not dk.any()
    assert not dv.any()


def test_scores_far_apart_pick_one_key():
    """Scores of about 1e30 in float32: their exponentials would overflow."""
    q = np.full((1, 1, 1, 1), 1e15, np.float32)
    k = np.array([1e15, -1e15, 0], np.float32).reshape(1, 3, 1, 1)
    v = np.array([7, 8, 9], np.float32).reshape(1, 3, 1, 1)
    y, cache = attention_forward(q, k, v)
    assert y == 7
    dq, dk, dv = attention_backward(np.ones_like(y), cache)
    assert not dq.any()
    assert not dk.any()
    np.testing.assert_array_equal(dv.ravel(), [1, 0, 0])


@pytest.mark.parametrize("mask", [np.ones((T, S)), np.ones((T, S), int)])
def test_a_mask_that_is_not_boolean_is_refused(mask):
    """PyTorch adds such a mask, so that 0 shows and -inf hides; read as truth it is inverted."""
    q, k, v, _ = inputs()
    with pytest.raises(ShapeError, match="must be bool"):
        attention_forward(q, k, v, mask)


@pytest.mark.parametrize(("n", "g", "said"), [(6, 4, "divide"), (2, 4, "divide"), (3, 0, "divide")])
def test_groups_that_do_not_divide_the_heads_are_refused(n, g, said):
    q, k = np.ones((1, 2, n, 3)), np.ones((1, 2, g, 3))
    with pytest.raises(ShapeError, match=f"k has {g} heads and q {n}.*{said}"):
        attention_forward(q, k, k)


def test_values_of_another_number_of_heads_are_refused():
    q, k, v = np.ones((1, 2, 4, 3)), np.ones((1, 2, 2, 3)), np.ones((1, 2, 1, 3))
    with pytest.raises(ShapeError, match="k has 2 heads and v 1"):
        attention_forward(q, k, v)


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_of_nothing_is_refused(window):
    q, k, v, _ = inputs()
    with pytest.raises(ConfigError, match=f"window is {window}.*at least 1"):
        attention_forward(q, k, v, window=window)


@pytest.mark.parametrize("cap", [0.0, -30.0, np.inf, np.nan])
def test_a_softcap_that_is_not_positive_is_refused(cap):
    q, k, v, _ = inputs()
    with pytest.raises(ConfigError, match="softcap is .*positive and finite"):
        attention_forward(q, k, v, softcap=cap)
    with pytest.raises(ConfigError, match="softcap is"):
        softcap_forward(q, cap=cap)


def test_a_group_whose_other_head_holds_no_number_keeps_its_gradients():
    """Hidden from every head that is finite, a NaN in k or v leaves the other groups alone."""
    rng = np.random.default_rng(0)
    q, dy = rng.standard_normal((2, B, T, N, H))
    k, v = rng.standard_normal((2, B, S, 2, H))
    sink, bias = rng.standard_normal(N), rng.standard_normal((N, T, S))
    mask = np.arange(S) != 2
    options = {"mask": mask, "bias": bias, "sink": sink, "softcap": 2.0, "window": 3}
    right = attention_forward(q, k, v, **options)
    k2, v2 = k.copy(), v.copy()
    k2[:, 2, 0], v2[:, 2, 1] = np.nan, np.inf
    y, cache = attention_forward(q, k2, v2, **options)
    np.testing.assert_allclose(y, right[0], rtol=1e-12)
    for found, expected in zip(
        attention_backward(dy, cache), attention_backward(dy, right[1]), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
