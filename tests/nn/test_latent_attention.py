"""What latent attention keeps in decoding, with adapters too, and which settings go with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.errors import ConfigError
from npformer.models.gpt import GPT, GPTConfig
from npformer.nn import LatentAttention
from npformer.nn.adapters import add_adapters
from tests.models.decoders import DEEPSEEK, SIZES
from torch_ref.bridge import to_torch
from torch_ref.nn import LatentAttention as Twin
from torch_ref.nn.adapters import add_adapters as add_to_twin

B, T, D, N, L, R = 2, 5, 12, 3, 7, 4
TURNING = {"name": "rotary_interleaved", "max_length": 32, "rotary_width": R}
SETTINGS = dict(latent_size=L, shared_size=R, query_latent_size=6, positions=TURNING)
RNG = np.random.default_rng


def drawn(*shape: int) -> np.ndarray:
    return RNG(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize("kind", ["", "lora", "dora"])
def test_steps_on_latents_are_the_whole_pass_of_both_engines(kind):
    """The absorbed matrices are the adapted ones."""
    attention = LatentAttention(D, N, 10, 6, **SETTINGS, rng=RNG(0), dtype=np.float64)
    twin = Twin(D, N, 10, 6, **SETTINGS, dtype=torch.float64)
    if kind:
        targets = ("k_up", "v_up", "kv_down")
        add_adapters(attention, 2, targets=targets, kind=kind, rng=RNG(0))
        add_to_twin(twin, 2, targets=targets, kind=kind)
        for path, parameter in attention.named_parameters():
            if path.endswith(".up"):
                parameter.data[...] = drawn(*parameter.data.shape)
    to_torch(attention.state_dict(), twin)
    x = drawn(B, T, D)
    whole, _ = attention.forward(x, causal=True)
    kept, kept_by_twin = attention.start(32), twin.start(32)
    for part in (slice(0, 3), slice(3, 4), slice(4, 5)):  # a prompt and two tokens
        y, _ = attention.forward(x[:, part], causal=True, kept=kept)
        of_twin = twin(torch.from_numpy(x[:, part]), causal=True, kept=kept_by_twin)
        np.testing.assert_allclose(y, whole[:, part], atol=1e-12)
        np.testing.assert_allclose(of_twin.detach().numpy(), whole[:, part], atol=1e-12)


def test_a_token_leaves_its_latent_and_the_shared_key_behind():
    attention = LatentAttention(D, N, 10, 6, **SETTINGS, rng=RNG(0))
    kept = attention.start(T)
    attention.forward(drawn(B, T, D).astype(np.float32), causal=True, kept=kept)
    held = [array for array in vars(kept)["_kept"]]
    assert sum(array.nbytes for array in held) == B * T * (L + R) * 4


def test_the_scale_takes_over_what_stretching_would_multiply():
    """Cosines and sines are as they are unless their factor is given, and then the scale is."""
    config = GPTConfig(**SIZES, **DEEPSEEK)
    m = 0.1 * np.log(4.0) + 1
    settings = config.attention(0)
    assert settings["scale"] == pytest.approx(m * m / np.sqrt(6))
    assert settings["positions"]["scaling"]["attention_factor"] == 1
    given = GPTConfig(**SIZES, **DEEPSEEK, rotary_attention_factor=1.5).attention(0)
    assert given["scale"] is None
    assert given["positions"]["scaling"]["attention_factor"] == 1.5
    model = GPT(config, rng=RNG(0))
    assert model.decoder.layers[0].self_attn.positions.tables.cos[0, 0] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_size": 0}, "latent_size is 0; it must be 1 or more"),
        ({"latent_size": None}, "query_latent_size, value_size is for latent attention"),
        ({"positions": "learned"}, "rotary"),
        ({"rotary_fraction": 1.0}, "less than 1"),
        ({"kv_heads": 2}, "kv_heads is 2, which latent attention has not"),
        ({"attention_bias": "all"}, "it must be 'none'"),
        ({"window": 3}, "window is 3.*it must be None"),
        ({"mup_base_width": 8}, "mup_base_width has no rule"),
    ],
)
def test_settings_that_do_not_go_with_latents_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        GPTConfig(**{**SIZES, **DEEPSEEK, **changes})


def test_a_shared_key_is_a_part():
    with pytest.raises(ConfigError, match="shared_size is 4 of a head's 4 columns"):
        LatentAttention(D, N, 4, 4, latent_size=3, shared_size=4, rng=RNG(0))
