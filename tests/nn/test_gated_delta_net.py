"""The gated delta net beside the library's own layer, from whose weights it is filled."""

from __future__ import annotations

import numpy as np
import pytest

from npformer.errors import ConfigError
from npformer.nn import GatedDeltaNet


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
