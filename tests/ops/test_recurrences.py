"""Recurrences of a state: in time and in chunks, from a state and to one, beside a library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npformer import ops
from npformer.errors import ConfigError, ShapeError

NAMES = ("linear_attention", "gated_delta_rule")
DECAYS = ("none", "head", "channel")


def arrays(name: str, decay: str, t: int = 7, dtype: Any = np.float64) -> dict[str, Any]:
    """Of a text of ``t`` positions, with a first state."""
    rng = np.random.default_rng(t)
    b, n, h, v = 2, 3, 4, 5
    found = {x: rng.standard_normal((b, t, n, h)) for x in ("q", "k")}
    found["k"] /= np.linalg.norm(found["k"], axis=-1, keepdims=True)
    found["v"] = rng.standard_normal((b, t, n, v))
    if name == "gated_delta_rule":
        found["beta"] = rng.random((b, t, n))
    if decay != "none":
        found["log_decay"] = -2 * rng.random((b, t, n, h if decay == "channel" else 1))
    found["state"] = rng.standard_normal((b, n, h, v))
    return {key: a.astype(dtype) for key, a in found.items()}


def upstream(given: dict[str, Any]) -> tuple[Any, Any]:
    """Random gradients of y and of the last state."""
    rng = np.random.default_rng(1)
    return tuple(rng.standard_normal(given[x].shape).astype(given[x].dtype) for x in ("v", "state"))


def both(name: str, given: dict[str, Any], dlast: Any = None, **options: Any) -> dict[str, Any]:
    """y, the last state, and every gradient."""
    dy, _ = upstream(given)
    y, cache = getattr(ops, f"{name}_forward")(**given, **options)
    gradients = getattr(ops, f"{name}_backward")(dy, cache, dlast)
    assert len(gradients) == len(given)
    return {"y": y, "last": cache.last, **dict(zip(given, gradients, strict=True))}


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_chunks_are_the_recurrence_at_lengths_off_the_chunk_too(name, decay, chunk):
    given = arrays(name, decay)
    _, dlast = upstream(given)
    in_time = both(name, given, dlast)
    for what, a in both(f"chunked_{name}", given, dlast, chunk=chunk).items():
        np.testing.assert_allclose(a, in_time[what], rtol=1e-11, atol=1e-12, err_msg=what)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_text_may_be_read_in_parts_that_hand_the_state_on(name, decay):
    """A position at a time is decoding; the last state's gradient goes into the part before."""
    given = arrays(name, decay)
    dy, dlast = upstream(given)
    whole = both(name, given, dlast)
    forward, backward = (getattr(ops, f"{name}_{which}") for which in ("forward", "backward"))
    state, caches = given["state"], []
    for t in range(dy.shape[1]):
        part = {key: a[:, t : t + 1] for key, a in given.items()} | {"state": state}
        y, cache = forward(**part)
        np.testing.assert_allclose(y, whole["y"][:, t : t + 1], rtol=1e-12)
        state = cache.last
        caches.append(cache)
    np.testing.assert_allclose(state, whole["last"], rtol=1e-12)
    for t in reversed(range(dy.shape[1])):
        *gradients, dlast = backward(dy[:, t : t + 1], caches[t], dlast)
        for key, gradient in zip(given, gradients, strict=False):
            expected = whole[key][:, t : t + 1]
            np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12, err_msg=key)
    np.testing.assert_allclose(dlast, whole["state"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", ["gated_delta_rule", "chunked_gated_delta_rule"])
def test_the_last_state_s_gradient_is_autograd_s(name, decay):
    torch = pytest.importorskip("torch")
    from torch_ref.ops.gated_delta_rule import walked

    given = arrays("gated_delta_rule", decay)
    dy, dlast = upstream(given)
    ours = both(name, given, dlast)
    leaves = {key: torch.tensor(a, requires_grad=True) for key, a in given.items()}
    y, last = walked(**leaves)
    ((y * torch.tensor(dy)).sum() + (last * torch.tensor(dlast)).sum()).backward()
    np.testing.assert_allclose(ours["last"], last.detach().numpy(), rtol=1e-11, atol=1e-13)
    for key, leaf in leaves.items():
        np.testing.assert_allclose(ours[key], leaf.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("length", [7, 70])
def test_the_delta_rule_is_the_library_s(length):
    """Qwen3-Next's, in float32 as the library casts; it scales the queries by 1 / sqrt(H)."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    given = arrays("gated_delta_rule", "head", length, np.float32)
    ours = both("chunked_gated_delta_rule", given)
    dy, _ = upstream(given)
    leaves = {key: torch.tensor(a, requires_grad=True) for key, a in given.items()}
    y, last = library.torch_chunk_gated_delta_rule(
        leaves["q"] * leaves["q"].shape[3] ** 0.5, leaves["k"], leaves["v"],
        g=leaves["log_decay"][..., 0], beta=leaves["beta"], initial_state=leaves["state"],
        output_final_state=True,
    )  # fmt: skip
    (y * torch.tensor(dy)).sum().backward()
    np.testing.assert_allclose(ours["y"], y.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours["last"], last.detach().numpy(), rtol=1e-4, atol=1e-5)
    for key, leaf in leaves.items():
        np.testing.assert_allclose(ours[key], leaf.grad.numpy(), rtol=1e-3, atol=1e-4, err_msg=key)


def test_a_state_space_model_is_attention_under_a_mask_of_decays():
    """Mamba-2's duality: (L * C B^T) X, L_ts the product of the decays behind s up to t."""
    given = arrays("linear_attention", "head")
    del given["state"]
    y, _ = ops.linear_attention_forward(**given)
    g = given["log_decay"][..., 0].swapaxes(1, 2)  # (B, N, T)
    total = np.cumsum(g, -1)
    mask = np.tril(np.exp(total[..., None] - total[..., None, :]))  # (B, N, T, T)
    scores = np.einsum("btnh,bsnh->bnts", given["q"], given["k"])
    np.testing.assert_allclose(y, np.einsum("bnts,bsnv->btnv", mask * scores, given["v"]))


@pytest.mark.parametrize("name", NAMES)
def test_a_decay_that_forgets_all_leaves_digits_behind_it(name):
    """Sums of logarithms from the start would have lost those of what comes after."""
    given = arrays(name, "head", dtype=np.float32)
    given["log_decay"][:, 3] = -1e6
    in_time, in_chunks = both(name, given), both(f"chunked_{name}", given, chunk=64)
    for what, a in in_chunks.items():
        np.testing.assert_allclose(a, in_time[what], rtol=2e-5, atol=2e-6, err_msg=what)
        assert np.isfinite(a).all()


def test_a_key_that_is_repeated_keeps_its_digits_in_chunks():
    """The matrix of ones below its diagonal has an inverse of two diagonals, and powers of 2^62."""
    given = arrays("gated_delta_rule", "none", 64, np.float32)
    given["k"][:] = [1, 0, 0, 0]
    given["beta"][:] = 1
    in_time, in_chunks = both("gated_delta_rule", given), both("chunked_gated_delta_rule", given)
    for what, a in in_chunks.items():
        np.testing.assert_allclose(a, in_time[what], rtol=1e-4, atol=1e-4, err_msg=what)


def test_what_is_wrong_is_refused_by_name():
    given = arrays("gated_delta_rule", "head")
    for name in ("gated_delta_rule", "chunked_gated_delta_rule"):
        forward = getattr(ops, f"{name}_forward")
        with pytest.raises(ShapeError, match=r"log_decay has shape \(2, 7, 3\).*a number a head"):
            forward(**given | {"log_decay": given["log_decay"][..., 0]})
        with pytest.raises(ShapeError, match=r"state has shape .* must be \(2, 3, 4, 5\)"):
            forward(**given | {"state": given["state"][:1]})
    with pytest.raises(ConfigError, match="chunk is 0; it must be at least 1"):
        ops.chunked_gated_delta_rule_forward(**given, chunk=0)
