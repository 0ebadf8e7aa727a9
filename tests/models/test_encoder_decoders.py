"""Encoder-decoders that came after 2017, as settings of the Transformer: decoding, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npformer.decode import beam, greedy
from npformer.errors import ConfigError
from npformer.models import make_model
from npformer.models.transformer import TransformerConfig
from torch_ref.bridge import to_torch
from torch_ref.models import make_twin

SIZES = dict(
    vocab_size=13, d_model=12, heads=3, d_ff=16, encoder_layers=2, decoder_layers=2, max_length=24
)
T5 = dict(
    norm="pre",
    norm_type="rms_norm",
    positions="t5",
    relative_buckets=8,
    relative_max_distance=12,
    head_size=5,
    attention_bias="none",
    attention_scale=1.0,
    feed_forward_bias=False,
    scale_embedding=False,
    scale_output=True,
    padding_gradient=True,
)
KINDS = {
    "t5": T5,
    "t5-1.1": {**T5, "scale_output": False, "tie_output": False, "activation": "geglu_tanh"},
    "bart": dict(
        positions="learned",
        share_positions=False,
        scale_embedding=False,
        embedding_norm=True,
        activation="gelu",
        output_bias=True,
    ),
    "m2m-100": dict(norm="pre", positions="sinusoidal_tensor2tensor", first_position=2),
    "rotary": dict(norm="pre", positions="rotary", head_size=6, kv_heads=1, qk_norm="head"),
    "windows": dict(positions="sinusoidal_half", window=3, window_pattern="GL", last_norm=True),
}


@pytest.fixture(params=KINDS)
def both(request):
    """With every parameter off its initial value."""
    config = TransformerConfig(**SIZES, **KINDS[request.param])
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def some_source() -> np.ndarray:
    source = np.random.default_rng(2).integers(4, 13, (3, 6))
    source[1, 4:] = 0
    return source


def test_token_by_token_is_the_whole_forward(both):
    source = some_source()
    target = np.random.default_rng(3).integers(1, 13, (3, 7))
    target[:, 0] = 0  # as T5 and Marian begin
    whole, _ = both[0].forward(source, target)
    for each in both:
        state = each.start(source)
        for t in range(7):
            step = each.step(target[:, t], state)
            np.testing.assert_allclose(step, whole[:, t], atol=1e-12)


def test_decoding_on_buffers_finds_the_same(both):
    model, twin = both
    marks = {"bos": 1, "eos": 3, "max_length": 9}
    expected = greedy(model, some_source(), **marks), beam(model, some_source(), beam=3, **marks)
    for static in (False, True):
        twin.run_steps(static=static)
        assert greedy(twin, some_source(), **marks) == expected[0]
        assert beam(twin, some_source(), beam=3, **marks) == expected[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"first_position": 2, "positions": "learned"}, "first_position is 2.*goes with positions"),
        ({"share_positions": False}, "share_positions is for learned positions"),
        ({"d_k": 0}, "d_k is 0"),
        ({"d_model": 13}, "heads is 3, which does not divide d_model, 13.*give d_k and d_v"),
        ({"relative_buckets": 8}, "relative_buckets is for t5's positions"),
        ({"head_size": 5, "positions": "rotary"}, "5 of a head's 5 columns"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        TransformerConfig(**{**SIZES, **settings})
