"""The tables of rotary positions beside others', and what their functions refuse."""

from __future__ import annotations

import types

import numpy as np
import pytest

from npformer.errors import ConfigError, ShapeError
from npformer.ops.rotary import rotary_forward
from npformer.ops.rotary_tables import rotary_axes, rotary_frequencies, rotary_tables


def test_a_turn_is_the_product_with_a_complex_number():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 3, 8))
    frequencies, _ = rotary_frequencies(8)
    cos, sin = rotary_tables(np.arange(5), frequencies, dtype=np.float64)
    turn = np.exp(1j * np.arange(5)[:, None] * frequencies)[:, None, :]
    expected = (x[..., 0::2] + 1j * x[..., 1::2]) * turn
    y, _ = rotary_forward(x, cos, sin, layout="interleaved")
    np.testing.assert_allclose(y[..., 0::2] + 1j * y[..., 1::2], expected, atol=1e-14)


def test_angles_of_far_positions_keep_their_digits():
    frequencies, _ = rotary_frequencies(4)
    cos, _ = rotary_tables(np.array([131_071]), frequencies)
    exact, _ = rotary_tables(np.array([131_071]), frequencies, dtype=np.float64)
    np.testing.assert_allclose(cos, exact, rtol=1e-7)


def test_the_smallest_width_has_one_frequency_in_every_scaling():
    for kind in ("linear", "ntk"):
        found, _ = rotary_frequencies(2, scaling={"rope_type": kind, "factor": 4.0})
        assert found == (0.25 if kind == "linear" else 1.0)


def test_axes_in_sections_and_in_turns():
    assert rotary_axes((3, 2, 1)).tolist() == [0, 0, 0, 1, 1, 2]
    assert rotary_axes((4, 2, 1), interleaved=True).tolist() == [0, 1, 2, 0, 1, 0, 0]


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}
LONGROPE = {
    "rope_type": "longrope",
    "factor": 32.0,
    "original_max_position_embeddings": 4096,
    "max_position_embeddings": 131_072,
    "short_factor": [1.0, 1.5],
    "long_factor": [2.0, 8.0],
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3,), "rotary width is 3; it must be even"),
        ((0,), "rotary width is 0"),
        ((4, 1.0), "theta is 1.0; it must be above 1"),
        ((4, 1e4, {"rope_type": "yarm", "factor": 2.0}), "'yarm'.*did you mean 'yarn'"),
        ((4, 1e4, {"rope_type": "linear"}), "needs the setting 'factor'"),
        ((4, 1e4, {"rope_type": "linear", "factor": 0.0}), "factor is 0.0"),
        ((4, 1e4, {"rope_type": "ntk", "factor": -1.0}), "factor is -1.0"),
        ((4, 1e4, {"rope_type": "proportional", "partial_rotary_factor": 0.4}), "0 of 2 points"),
        ((4, 1e4, {"rope_type": "proportional", "partial_rotary_factor": 1.6}), "3 of 2 points"),
        ((4, 1e4, {**LLAMA3, "low_freq_factor": 4.0}), "low_freq_factor is 4.0.*first below"),
        ((4, 1e4, {**YARN, "beta_slow": 64.0}), "beta_slow is 64.0 and beta_fast 32.0"),
        ((4, 1e4, {**YARN, "attention_factor": 0.0}), "attention_factor is 0.0"),
        (
            (6, 1e4, LONGROPE),
            "short_factor has 2 numbers; a rotary width of 6 has 3 frequencies",
        ),
        ((4, 1e4, {**LONGROPE, "long_factor": [1.0, 0.0]}), "long_factor has 0.0; every number"),
        ((4, 1e4, {"rope_type": "linear", "factr": 2.0}), "no setting 'factr'.*'factor'"),
        ((4, 1e4, {"factor": 2.0}), "'default' has no setting 'factor'; it takes none"),
    ],
)
def test_what_tables_refuse(arguments, message):
    with pytest.raises(ConfigError, match=message):
        rotary_frequencies(*arguments)


def test_the_twin_refuses_bounds_that_cross():
    from torch_ref.ops.rotary_tables import rotary_tables as twin

    for settings, name in (
        ({**LLAMA3, "high_freq_factor": 1.0}, "high_freq_factor"),
        ({**YARN, "beta_fast": 0.5}, "beta_fast"),
        ({**YARN, "attention_factor": -1.0}, "attention_factor"),
        ({**LONGROPE, "short_factor": [1.0]}, "short_factor"),
        ({**LONGROPE, "long_factor": [-1.0, 1.0]}, "long_factor"),
    ):
        with pytest.raises(ConfigError, match=name):
            twin(3, 4, scaling=settings)


def test_sections_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="none may be negative"):
        rotary_axes((2, -1))
    with pytest.raises(ConfigError, match="the first axis must have the most"):
        rotary_axes((2, 3), interleaved=True)


@pytest.mark.parametrize(
    ("shape", "table", "message"),
    [
        ((2, 3, 4), (3, 2), r"x has shape \(2, 3, 4\)"),
        ((1, 3, 2, 4), (2, 2), r"both must be \(3, R/2\) or \(1, 3, R/2\)"),
        ((1, 3, 2, 4), (3, 3), "turn 6 columns; a head of x has 4"),
    ],
)
def test_tables_that_do_not_fit_are_refused(shape, table, message):
    with pytest.raises(ShapeError, match=message):
        rotary_forward(np.ones(shape), np.ones(table), np.ones(table))


def test_an_unknown_layout_is_refused():
    with pytest.raises(ConfigError, match="layout is 'halves'.*did you mean 'half'"):
        rotary_forward(np.ones((1, 1, 1, 2)), np.ones((1, 1)), np.ones((1, 1)), layout="halves")


SCALED = [
    {"rope_type": "default"},
    {"rope_type": "linear", "factor": 4.0},
    LLAMA3,
    {**LLAMA3, "low_freq_factor": 2.0, "high_freq_factor": 16.0},
    YARN,
    {**YARN, "factor": 32.0, "beta_fast": 16.0, "beta_slow": 2.0, "truncate": False},
    {**YARN, "factor": 40.0, "mscale": 1.0, "mscale_all_dim": 0.707},
    {**YARN, "attention_factor": 1.25},
    {"rope_type": "proportional", "partial_rotary_factor": 0.25},
    {"rope_type": "proportional", "partial_rotary_factor": 0.7, "factor": 4.0},
]


@pytest.mark.parametrize("width", [16, 128])
@pytest.mark.parametrize("scaling", SCALED, ids=lambda s: s["rope_type"])
def test_frequencies_are_those_of_transformers(scaling, width):
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = LlamaConfig(
        head_dim=width,
        max_position_embeddings=131_072,
        rope_parameters={"rope_theta": 500_000.0, **scaling},
    )
    theirs = LlamaRotaryEmbedding(config)
    ours, factor = rotary_frequencies(width, 500_000.0, scaling)
    np.testing.assert_allclose(theirs.inv_freq.numpy(), ours, rtol=2e-6)
    assert theirs.attention_scaling == pytest.approx(factor)


@pytest.mark.parametrize("attention_factor", [None, 1.25])
@pytest.mark.parametrize(("length", "width"), [(4096, 16), (4097, 16), (131_072, 96)])
def test_longrope_is_that_of_transformers(length, width, attention_factor):
    """A model of ``length`` positions: what theirs takes for a text of that length."""
    import torch
    from transformers import Phi3Config
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    from torch_ref.ops.rotary_tables import rotary_tables as twin

    rng = np.random.default_rng(width)
    lists = {n: rng.uniform(1, 60, width // 2).tolist() for n in ("short_factor", "long_factor")}
    given = {} if attention_factor is None else {"attention_factor": attention_factor}
    config = Phi3Config(
        hidden_size=width,
        num_attention_heads=1,
        max_position_embeddings=131_072,
        original_max_position_embeddings=4096,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 10_000.0,
            "original_max_position_embeddings": 4096,
            **lists,
            **given,
        },
    )
    theirs, factor = ROPE_INIT_FUNCTIONS["longrope"](config, "cpu", seq_len=length)
    scaling = {**LONGROPE, "max_position_embeddings": length, **lists, **given}
    ours, m = rotary_frequencies(width, 10_000.0, scaling)
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=2e-6)
    assert factor == pytest.approx(m)
    cos, sin = rotary_tables(np.arange(9), ours, m, dtype=np.float64)
    theirs = twin(9, width, 10_000.0, scaling, dtype=torch.float64)
    np.testing.assert_allclose(theirs[0].numpy(), cos, atol=1e-14)
    np.testing.assert_allclose(theirs[1].numpy(), sin, atol=1e-14)


def test_the_dynamic_scaling_is_ntk_with_the_factor_of_a_length():
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = LlamaConfig(
        head_dim=64,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0},
    )
    theirs, _ = ROPE_INIT_FUNCTIONS["dynamic"](config, "cpu", seq_len=5000)
    stretched = {"rope_type": "ntk", "factor": 4.0 * 5000 / 2048 - 3}
    ours, _ = rotary_frequencies(64, 10_000.0, stretched)
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=2e-6)


def test_the_turn_of_halves_is_that_of_transformers():
    import torch
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    rng = np.random.default_rng(0)
    q, k = rng.standard_normal((2, 2, 7, 3, 8))
    frequencies, _ = rotary_frequencies(8)
    at = rng.integers(0, 9, (2, 7))  # of packed or padded tokens
    cos, sin = rotary_tables(at, frequencies, dtype=np.float64)
    tables = (torch.from_numpy(np.concatenate([t, t], -1)) for t in (cos, sin))
    heads = (torch.from_numpy(a).transpose(1, 2) for a in (q, k))
    theirs = apply_rotary_pos_emb(*heads, *tables)
    for ours, other in zip((q, k), theirs, strict=True):
        y, _ = rotary_forward(ours, cos, sin)
        np.testing.assert_allclose(y, other.transpose(1, 2).numpy(), atol=1e-14)


@pytest.mark.parametrize("interleaved", [False, True])
def test_positions_on_three_axes_are_those_of_transformers(interleaved):
    """In sections as Qwen2-VL has them, in turns as Qwen3-VL."""
    import torch
    from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLRotaryEmbedding
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRotaryEmbedding

    sections = (6, 5, 5)
    axes = rotary_axes(sections, interleaved=interleaved)
    frequencies, _ = rotary_frequencies(32, 1e6)
    at = np.random.default_rng(0).integers(0, 50, (3, 1, 5))
    angles = at[axes].transpose(1, 2, 0) * frequencies  # (1, 5, 16)
    their = Qwen3VLTextRotaryEmbedding if interleaved else Qwen2VLRotaryEmbedding
    every = torch.from_numpy(at[..., None] * frequencies)  # (3, 1, 5, 16)
    settings = types.SimpleNamespace(mrope_section=sections)
    found = their.recomposition_frequencies(settings, every)
    np.testing.assert_array_equal(found.numpy()[..., :16], angles)
