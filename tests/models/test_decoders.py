"""The settings of a decoder alone, as today's families combine them, through the whole house."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from npformer.errors import ConfigError
from npformer.fields import from_dict, to_dict
from npformer.inspect import record
from npformer.models import make_model
from npformer.models.gpt import GPTConfig
from npformer.nn import key_value_cache
from npformer.nn.key_value_cache import SPARE
from npformer.seam import watching
from npformer.text.batches import Batch
from npformer.verify.bisect import bisect
from npformer.verify.lockstep.plant import find_mutant, plant
from tests.models.decoders import DECODERS, GEMMA4, GPT_OSS, LLAMA, PHI, SIZES
from torch_ref.bridge import to_torch
from torch_ref.inspect import record as record_twin
from torch_ref.models import make_twin

every_decoder = pytest.mark.parametrize("settings", DECODERS.values(), ids=DECODERS)


def model_and_twin(settings, **changes):
    """With every parameter off its initial value."""
    config = GPTConfig(**{**SIZES, "dropout": 0.0, **settings, **changes})
    model = make_model(config, rng=np.random.default_rng(0), dtype=np.float64)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.data.shape)
    twin = make_twin(config, dtype=torch.float64).eval()
    to_torch(model.state_dict(), twin)
    return model, twin


def some_ids(rows=3, length=13):
    return np.random.default_rng(2).integers(1, SIZES["vocab_size"], (rows, length))


def some_batch():
    ids = some_ids(length=9)
    return Batch({"target": ids[:, :-1]}, ids[:, 1:])


@every_decoder
def test_a_prompt_and_then_token_by_token_is_the_whole_forward(settings):
    """Past the end of every window, in both engines, with rows chosen on the way."""
    model, twin = model_and_twin(settings)
    ids = some_ids()
    whole, _ = model.forward(ids)
    for each in (model, twin):
        state = each.start()
        logits = each.step(ids[:, :6], state)
        np.testing.assert_allclose(logits, whole[:, 5], atol=1e-12)
        for at in range(6, 10):
            logits = each.step(ids[:, at], state)
            np.testing.assert_allclose(logits, whole[:, at], atol=1e-12)
        state.select(np.array([2, 0, 2]))
        logits = each.step(ids[[2, 0, 2], 10:12], state)  # two at a time, in the middle
        np.testing.assert_allclose(logits, whole[[2, 0, 2], 11], atol=1e-12)


@every_decoder
def test_a_long_prompt_is_read_in_tiles(settings, monkeypatch):
    """Then too the newest logits are the whole forward's, with padding on the left as well."""
    model, _ = model_and_twin(settings)
    ids, called = some_ids(), []
    documents = np.ones(ids.shape, np.int64)
    documents[0, :4] = 0
    whole, _ = model.forward(ids)
    padded, _ = model.forward(ids, documents=documents)
    monkeypatch.setattr(key_value_cache, "LONG", 3)

    def observer(call, run, *args, **kwargs):
        called.append(call.name)
        return run(*args, **kwargs)

    with watching(observer):
        state = model.start()
        model.step(ids[:, :5], state)
        newest = model.step(ids[:, 5:], state)
    attend = [i for i in range(model.config.layers) if not model.config.keeps_a_state(i)]
    assert called.count("tiled_attention_forward") == 2 * len(attend)
    np.testing.assert_allclose(newest, whole[:, -1], atol=1e-12)
    newest = model.step(ids, model.start(documents))
    np.testing.assert_allclose(newest, padded[:, -1], atol=1e-12)


@every_decoder
def test_no_logit_sees_a_later_token(settings):
    model, _ = model_and_twin(settings)
    ids, changed = some_ids(), some_ids()
    changed[:, 6:] = 1
    before, after = (model.forward(each)[0][:, :6] for each in (ids, changed))
    # How many rows an expert multiplies depends on all tokens, and BLAS rounds by their number.
    rounding = 1e-13 if settings.get("experts") else 0
    np.testing.assert_allclose(after, before, rtol=0, atol=rounding)


def test_a_local_decoder_sees_no_token_that_has_left_every_window():
    """Two layers of a window of 3 reach 4 tokens back."""
    settings = {**DECODERS["gemma"], "window_pattern": "L"}
    model, _ = model_and_twin(settings)
    ids, changed = some_ids(), some_ids()
    changed[:, 2] = 1
    before, after = model.forward(ids)[0], model.forward(changed)[0]
    np.testing.assert_array_equal(before[:, 7:], after[:, 7:])
    assert (before[:, 6] != after[:, 6]).all()


@every_decoder
def test_both_engines_record_the_same_calls_and_gradients(settings):
    model, twin = model_and_twin(settings)
    ours, theirs = record(model, some_batch()), record_twin(twin, some_batch())
    assert ours.paths == theirs.paths
    for path, gradient in ours.gradients.items():
        np.testing.assert_allclose(gradient, theirs.gradients[path], atol=1e-12, err_msg=path)


@every_decoder
def test_a_right_decoder_is_bisected_to_nothing(settings):
    model, twin = model_and_twin(settings, dropout=0.2)
    assert bisect(model, twin, some_batch(), seed=3)


@pytest.mark.parametrize(
    ("name", "mistake", "path"),
    [
        ("llama", "rotary/not-turned-back", "decoder.layers.1.self_attn.positions"),
        ("gemma", "rms_norm/xhat-term-dropped", "decoder.layers.0.self_attn.k_norm"),
        ("qwen", "sigmoid/y-alone", "decoder.layers.1.self_attn"),
        (
            "gpt-oss",
            "swiglu_clamped/alpha-forgotten",
            "decoder.layers.0.feed_forward.experts.activation",
        ),
        ("gemma", "softcap/slope-missing", ""),
    ],
)
def test_a_mistake_is_found_in_the_op_that_makes_it(name, mistake, path):
    model, twin = model_and_twin(DECODERS[name])
    with plant(find_mutant(mistake), model, path):
        found = bisect(model, twin, some_batch(), seed=3)
    assert not found
    assert found.activation is None
    assert (found.gradient.path, found.gradient.method) == (path, mistake.partition("/")[0])


def test_a_window_keeps_no_more_keys_than_it_has_and_a_few_to_spare():
    model, twin = model_and_twin(DECODERS["gpt-oss"], max_length=50)
    for each in (model, twin):
        state = each.start()
        each.step(some_ids(length=9), state)
        for token in range(36):
            each.step(some_ids(length=36)[:, token], state)
        local, everything = (layer.self_attn._kept.k.shape[1] for layer in state.layers)
        assert local == 4 + SPARE
        assert everything >= 45


def test_an_older_configuration_means_what_it_meant():
    """A file without the later fields is GPT-2's, and the weights have the same names."""
    config = GPTConfig(**SIZES)
    later = {f.name for f in dataclasses.fields(GPTConfig)} - set(SIZES)
    assert {"kv_heads", "window", "norm_type", "logit_softcap"} <= later
    model = make_model(config, rng=np.random.default_rng(0))
    assert [path for path in model.state_dict() if ".layers.0.self_attn." in path] == [
        f"decoder.layers.0.self_attn.{name}_proj.{kind}"
        for name in ("q", "k", "v", "out")
        for kind in ("weight", "bias")
    ]


@pytest.mark.parametrize(
    ("name", "value", "others"),
    [
        ("value_norm", True, dict(delta_pattern="S")),
        ("sinks", True, dict(delta_pattern="D")),
        ("attention_gate", True, dict(delta_pattern="K")),
        ("softcap", 2.0, dict(delta_pattern="S")),
        ("values_from_keys", True, dict(window=2, window_pattern="LG", delta_pattern="AD")),
        ("global_head_size", 8, dict(window=2, window_pattern="LG", delta_pattern="AD")),
        ("global_kv_heads", 1, dict(window=2, window_pattern="LG", delta_pattern="AD")),
    ],
)
def test_a_setting_of_attention_that_no_layer_has_is_named(name, value, others):
    """Of a local and a global layer, the global one keeps a state."""
    settings = {**SIZES, **others}
    assert not GPTConfig(**settings).idle
    said = f"{name} is {value}, and there is no layer whose attention it would change"
    assert said in GPTConfig(**settings, **{name: value}).idle
    assert not GPTConfig(**{**settings, "delta_pattern": "", name: value}).idle


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dict(kv_heads=3), "kv_heads is 3, which does not divide heads, 4; choose one of 1, 2, 4"),
        (dict(kv_heads=0), "kv_heads is 0; it must be 1 or more, or not given"),
        (dict(heads=3), "heads is 3, which does not divide d_model, 16"),
        (dict(head_size=0), "head_size is 0; it must be 1 or more"),
        (dict(window=0), "window is 0; it must be 1 or more, or not given"),
        (dict(window=2, window_pattern="LX"), "window_pattern is 'LX'; write L for a local layer"),
        (dict(window_pattern="LG"), "there is no window; give window, the keys"),
        (dict(global_head_size=8), "global_head_size is 8, and no layer is global beside local"),
        (dict(global_kv_heads=2, window=2), "global_kv_heads is 2, and no layer is global"),
        (dict(GEMMA4, global_kv_heads=3), "global_kv_heads is 3, which does not divide heads, 4"),
        (dict(GEMMA4, global_head_size=0), "global_head_size is 0; it must be 1 or more"),
        (dict(GEMMA4, global_head_size=7), "7 of a head's 7 columns.* another global_head_size"),
        (dict(values_from_keys=True, window=2), "values_from_keys is of global layers, and all"),
        (dict(GEMMA4, rotary_fraction=0.2), "proportional: partial_rotary_factor is 0.2, 0 of 4"),
        (dict(softcap=0.0), "softcap is 0.0; it must be > 0, or not given"),
        (dict(logit_softcap=-1.0), "logit_softcap is -1.0; it must be > 0"),
        (dict(attention_scale=0.0), "attention_scale is 0.0; it must be > 0"),
        (dict(qk_norm="heads"), "qk_norm is 'heads'; choose one of none, head, full; did you mean"),
        (dict(positions="rope"), "positions is 'rope'; choose one of sinusoidal"),
        (dict(norm_type="rms"), "did you mean 'rms_norm'"),
        (
            dict(rotary_theta=1e6),
            "rotary_theta is for rotary positions, and positions is 'learned'",
        ),
        (dict(positions="rotary", rotary_fraction=0.75), "3 of a head's 4 columns; it must be 2"),
        (dict(positions="rotary", rotary_fraction=1.5), r"rotary_fraction is 1.5; it must be in"),
        (dict(positions="rotary", rotary_theta_local=10.0), "and there is no window"),
        (dict(positions="rotary", rotary_factor=2.0), "goes with rotary_scaling"),
        (dict(positions="rotary", rotary_scaling="yarn"), "yarn, llama3, longrope need it"),
        (dict(positions="rotary", rotary_scaling="dynamic"), "rotary_scaling is 'dynamic'; choose"),
        (dict(positions="rotary", rotary_theta_local=1.0, window=2), "local is 1.0; it"),
        (
            dict(positions="rotary", rotary_beta_fast=8.0, rotary_scaling="linear"),
            "rotary_beta_fast goes with rotary_scaling yarn, and it is 'linear'",
        ),
        (dict(LLAMA, rotary_truncate=False), "rotary_truncate goes with rotary_scaling yarn"),
        (
            dict(LLAMA, rotary_attention_factor=2.0),
            "rotary_attention_factor goes with rotary_scaling yarn or longrope, and it is 'llama3'",
        ),
        (dict(PHI, rotary_long_factor=(1.0,)), "longrope: long_factor has 1 numbers"),
        (dict(PHI, rotary_long_factor=[1.0, 2.0]), "rotary_long_factor is .*must be numbers"),
        (dict(LLAMA, rotary_low_freq_factor=5.0), "rotary_scaling llama3: low_freq_factor is 5.0"),
        (dict(GPT_OSS, rotary_attention_factor=0.0), "rotary_scaling yarn: attention_factor is 0"),
        (dict(delta_pattern="DX"), "delta_pattern is 'DX'; write D, K or S for a layer that keeps"),
        (
            dict(delta_pattern="A", delta_heads=2),
            "delta_heads is for layers that keep a state, and",
        ),
        (dict(delta_pattern="D", delta_width=0), "delta_width is 0; it must be 1 or more"),
        (dict(delta_pattern="D", delta_key_heads=3), "delta_key_heads is 3, which does not divide"),
        (dict(delta_pattern="D", mup_base_width=8), "no rule for the rates of a delta_pattern"),
        (
            dict(rotary_beta_slow=2.0),
            "rotary_beta_slow is for rotary positions, and positions is 'learned'",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        GPTConfig(**{**SIZES, **settings})


def test_a_scaling_has_the_settings_of_its_file():
    """What Llama 3.1's and gpt-oss's configurations say, and no setting of another scaling."""
    llama = GPTConfig(**{**SIZES, **LLAMA, "rotary_low_freq_factor": 2.0})
    assert llama.attention(0)["positions"]["scaling"] == {
        "rope_type": "llama3",
        "factor": 8.0,
        "original_max_position_embeddings": 8,
        "low_freq_factor": 2.0,
        "high_freq_factor": 3.0,
    }
    phi = GPTConfig(**{**SIZES, **PHI})
    assert phi.attention(0)["positions"]["scaling"] == {
        "rope_type": "longrope",
        "factor": 4.0,
        "original_max_position_embeddings": 8,
        "max_position_embeddings": phi.max_length,
        "short_factor": (1.0, 1.5),
        "long_factor": (2.0, 8.0),
        "attention_factor": None,
    }
    assert from_dict(GPTConfig, json.loads(json.dumps(to_dict(phi)))) == phi
    settings = {"rotary_beta_fast": 16.0, "rotary_truncate": False, "rotary_attention_factor": 1.5}
    gpt_oss = GPTConfig(**{**SIZES, **GPT_OSS, **settings})
    assert gpt_oss.attention(0)["positions"]["scaling"] == {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 8,
        "beta_fast": 16.0,
        "beta_slow": 1.0,
        "attention_factor": 1.5,
        "truncate": False,
    }
