"""Layers that keep a state, beside the library's own, from whose weights they are filled."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.nn import GatedDeltaNet, KimiDeltaAttention, Mamba2


def filled(torch, library):
    """The library's layer of random weights, and ours with the same."""
    config = library.Qwen3NextConfig(
        hidden_size=10, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6,
        linear_value_head_dim=3, linear_conv_kernel_dim=4, num_hidden_layers=1, rms_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = library.Qwen3NextGatedDeltaNet(config, 0)
    ours = GatedDeltaNet(
        10, 4, key_heads=2, key_size=6, value_size=3, eps=1e-5, rng=np.random.default_rng(0)
    )
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    qkvz, ba, conv, *rest = (
        parameter.detach().numpy()
        for parameter in (
            theirs.in_proj_qkvz.weight, theirs.in_proj_ba.weight, theirs.conv1d.weight,
            theirs.A_log, theirs.dt_bias, theirs.norm.weight, theirs.out_proj.weight,
        )
    )  # fmt: skip
    q, k, v, z = (
        part.reshape(-1, 10) for part in np.split(qkvz.reshape(2, 24, 10), [6, 12, 18], axis=1)
    )
    beta, decay = (part.reshape(-1, 10) for part in np.split(ba.reshape(2, 4, 10), 2, axis=1))
    weights = dict(zip(("log_rate", "decay_bias", "norm.weight", "out_proj.weight"), rest,
                       strict=True))  # fmt: skip
    projections = {"q": q, "k": k, "v": v, "gate": z, "beta": beta, "decay": decay}
    weights |= {f"{name}_proj.weight": w for name, w in projections.items()}
    convs = np.split(conv[:, 0], [12, 24])
    weights |= {f"{name}_conv.weight": w for name, w in zip("qkv", convs, strict=True)}
    ours.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize("length", [5, 70])
def test_it_is_the_library_s_layer(length):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    ours, theirs = filled(torch, library)
    x, dy = np.random.default_rng(1).standard_normal((2, 2, length, 10)).astype(np.float32)
    y, cache = ours.forward(x)
    dx = ours.backward(dy, cache)
    leaf = torch.tensor(x, requires_grad=True)
    right = theirs(leaf)
    right.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, right.detach(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(dx, leaf.grad, rtol=1e-2, atol=2e-3)
    for parameter, other in (
        (ours.log_rate, theirs.A_log), (ours.decay_bias, theirs.dt_bias),
        (ours.norm.weight, theirs.norm.weight), (ours.out_proj.weight, theirs.out_proj.weight),
    ):  # fmt: skip
        scale = float(other.grad.abs().max())
        np.testing.assert_allclose(parameter.grad, other.grad, rtol=1e-2, atol=1e-3 * scale)


def test_heads_that_keys_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match="key_heads is 3, which does not divide heads, 4"):
        GatedDeltaNet(8, 4, key_heads=3, key_size=2, value_size=2, rng=np.random.default_rng(0))


def test_heads_begin_with_memories_of_unlike_length():
    """Where a token says nothing, what is forgotten at a position is 0.001 to 0.1 or so."""
    net = GatedDeltaNet(8, 3, key_size=2, value_size=2, rng=np.random.default_rng(0))
    forgets = 1 - np.exp(-np.exp(net.log_rate.data) * np.logaddexp(net.decay_bias.data, 0))
    np.testing.assert_allclose(forgets, [0.001, 0.00995, 0.0952], rtol=1e-2)


@pytest.mark.parametrize("kind", [GatedDeltaNet, KimiDeltaAttention, Mamba2])
def test_steps_of_any_length_from_the_state_are_the_whole(kind):
    """A state is all that is kept: across the borders of chunks, one position or several a step."""
    rng = np.random.default_rng(0)
    layer = kind(10, 4, key_heads=2, key_size=6, value_size=3, rng=rng, dtype=np.float64)
    for parameter in layer.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    x = rng.standard_normal((2, 70, 10))
    whole, _ = layer.forward(x)
    kept = layer.start(70)
    bounds = [0, 1, 2, 3, 40, 41, 70]
    parts = [layer.forward(x[:, a:b], kept=kept)[0] for a, b in itertools.pairwise(bounds)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-12)


def the_recurrence(layer, x):
    """Mamba-2's layer position by position, from its own words and no operation of the package."""
    w = {name: p.data for name, p in layer.named_parameters()}
    n, g = layer.heads, layer.key_heads

    def silu(h):
        return h / (1 + np.exp(-h))

    def stream(name):
        h, taps = x @ w[f"{name}_proj.weight"].T, w[f"{name}_conv.weight"]
        padded = np.concatenate([np.zeros((len(x), layer.width - 1, h.shape[2])), h], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, layer.width, axis=1)
        return silu((windows * taps).sum(-1) + w[f"{name}_conv.bias"])

    q, k = (np.repeat(stream(c).reshape(*x.shape[:2], g, -1), n // g, 2) for c in "qk")
    v = stream("v").reshape(*x.shape[:2], n, -1)
    step = np.log1p(np.exp(x @ w["decay_proj.weight"].T + w["decay_bias"]))  # (B, T, N)
    state, read = 0.0, []
    for t in range(x.shape[1]):
        left = np.exp(-np.exp(w["log_rate"]) * step[:, t])[..., None, None]
        written = step[:, t, :, None, None] * k[:, t, :, :, None] * v[:, t, :, None]
        state = left * state + written
        read.append((q[:, t, :, :, None] * state).sum(2) + w["skip"][:, None] * v[:, t])
    gate = silu(x @ w["gate_proj.weight"].T)
    y = (np.stack(read, 1).reshape(gate.shape) * gate).reshape(*x.shape[:2], g, -1)
    y = y / np.sqrt((y**2).mean(-1, keepdims=True) + layer.eps)
    return (y.reshape(gate.shape) * w["norm_weight"]) @ w["out_proj.weight"].T


@pytest.mark.parametrize("length", [1, 5, 64, 70])
def test_mamba_2_in_chunks_is_its_recurrence(length):
    rng = np.random.default_rng(0)
    layer = Mamba2(10, 4, key_heads=2, key_size=6, value_size=3, rng=rng, dtype=np.float64)
    for parameter in layer.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    x = rng.standard_normal((2, length, 10))
    np.testing.assert_allclose(layer.forward(x)[0], the_recurrence(layer, x), atol=1e-12)


def filled_mamba(torch, library):
    """The library's layer of random weights, and ours with the same."""
    config = library.Mamba2Config(
        hidden_size=6, num_heads=4, head_dim=3, expand=2, state_size=5, n_groups=2, conv_kernel=3,
        num_hidden_layers=1, chunk_size=16, layer_norm_epsilon=1e-5,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = library.Mamba2Mixer(config, 0).eval()
    ours = Mamba2(6, 4, key_heads=2, key_size=5, value_size=3, width=3, eps=1e-5,
                  rng=np.random.default_rng(0))  # fmt: skip
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    state = {name: p.detach().numpy() for name, p in theirs.named_parameters()}
    gate, v, k, q, decay = np.split(state["in_proj.weight"], np.cumsum([12, 12, 10, 10]))
    windows = np.split(state["conv1d.weight"][:, 0], [12, 22])
    biases = np.split(state["conv1d.bias"], [12, 22])
    weights = dict(zip(("gate_proj.weight", "v_proj.weight", "k_proj.weight", "q_proj.weight",
                        "decay_proj.weight"), (gate, v, k, q, decay), strict=True))  # fmt: skip
    for name, window, bias in zip("vkq", windows, biases, strict=True):
        weights |= {f"{name}_conv.weight": window, f"{name}_conv.bias": bias}
    ours.load_state_dict(weights | {
        "log_rate": state["A_log"], "decay_bias": state["dt_bias"], "skip": state["D"],
        "norm_weight": state["norm.weight"], "out_proj.weight": state["out_proj.weight"],
    })  # fmt: skip
    return ours, theirs


MAMBA_NAMES = {"log_rate": "A_log", "decay_bias": "dt_bias", "skip": "D",
               "norm_weight": "norm.weight", "out_proj.weight": "out_proj.weight"}  # fmt: skip
KIMI_NAMES = {"log_rate": "forget_gate.A_log", "decay_bias": "forget_gate.dt_bias",
              "decay_down.weight": "forget_gate.f_a_proj.weight",
              "decay_up.weight": "forget_gate.f_b_proj.weight", "beta_proj.weight": "b_proj.weight",
              "gate_down.weight": "g_a_proj.weight", "gate_up.weight": "g_b_proj.weight",
              "norm.weight": "o_norm.weight", "out_proj.weight": "o_proj.weight",
              **{f"{c}_proj.weight": f"{c}_proj.weight" for c in "qkv"}}  # fmt: skip


def filled_kimi(torch, library):
    """The library's layer of random weights, and ours with the same."""
    config = library.KimiLinearConfig(
        hidden_size=10, linear_num_heads=4, linear_head_dim=6, linear_conv_kernel_dim=4,
        num_hidden_layers=1, layer_types=["linear_attention"], rms_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = library.KimiLinearDeltaAttention(config, 0)
    ours = KimiDeltaAttention(10, 4, key_size=6, value_size=6, eps=1e-5,
                              rng=np.random.default_rng(0))  # fmt: skip
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.5)
    state = {name: p.detach().numpy() for name, p in theirs.named_parameters()}
    weights = {name: state[other] for name, other in KIMI_NAMES.items()}
    weights["log_rate"] = weights["log_rate"].reshape(4)
    for name, window in zip("qkv", np.split(state["conv1d.weight"][:, 0], 3), strict=True):
        weights[f"{name}_conv.weight"] = window
    ours.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize("length", [5, 70])
@pytest.mark.parametrize(
    ("filled_with", "where", "names"),
    [
        (filled_mamba, "mamba2.modeling_mamba2", MAMBA_NAMES),
        (filled_kimi, "kimi_linear.modeling_kimi_linear", KIMI_NAMES),
    ],
    ids=["mamba-2", "kimi"],
)
def test_the_others_are_the_library_s_layers_too(filled_with, where, names, length):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip(f"transformers.models.{where}")
    ours, theirs = filled_with(torch, library)
    width = ours.out_proj.weight.data.shape[0]
    x, dy = np.random.default_rng(1).standard_normal((2, 2, length, width)).astype(np.float32)
    y, cache = ours.forward(x)
    dx = ours.backward(dy, cache)
    leaf = torch.tensor(x, requires_grad=True)
    right = theirs(leaf)
    right.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, right.detach(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(dx, leaf.grad, rtol=1e-2, atol=2e-3)
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name in names:
            other = gradients[names[name]].numpy().reshape(parameter.grad.shape)
            atol = 1e-3 * np.abs(other).max()
            np.testing.assert_allclose(parameter.grad, other, rtol=1e-2, atol=atol, err_msg=name)
