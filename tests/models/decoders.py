"""Decoders alone as families of today are made, each with what it is known for; all are small."""

from __future__ import annotations

from typing import Any

SIZES: dict[str, Any] = dict(vocab_size=29, d_model=16, heads=4, d_ff=24, layers=2, max_length=20)
NO_BIAS: dict[str, Any] = dict(attention_bias="none", feed_forward_bias=False)

LLAMA: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary",
    kv_heads=2,
    tie_output=False,
    rotary_scaling="llama3",
    rotary_factor=8.0,
    rotary_original_length=8,
    rotary_high_freq_factor=3.0,
    **NO_BIAS,
)
SMOLLM: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary",
    rotary_pattern="RN",
    padding_id=None,
    **NO_BIAS,
)
GEMMA: dict[str, Any] = dict(
    norm="sandwich",
    norm_type="rms_norm_plus_one",
    activation="geglu_tanh",
    positions="rotary",
    kv_heads=1,
    head_size=6,
    window=3,
    window_pattern="LG",
    rotary_theta_local=100.0,
    qk_norm="head",
    attention_scale=0.3,
    softcap=5.0,
    logit_softcap=3.0,
    scale_embedding=True,
    **NO_BIAS,
)
GEMMA4: dict[str, Any] = dict(
    norm="sandwich",
    norm_type="rms_norm",
    activation="geglu_tanh",
    positions="rotary",
    kv_heads=4,
    head_size=6,
    global_kv_heads=2,
    global_head_size=8,
    window=3,
    window_pattern="LG",
    rotary_theta_local=100.0,
    rotary_scaling="proportional",
    rotary_fraction=0.25,
    rotary_factor=2.0,
    qk_norm="head",
    value_norm=True,
    values_from_keys=True,
    layer_scalar="learned",
    attention_scale=1.0,
    logit_softcap=3.0,
    scale_embedding=True,
    **NO_BIAS,
)
GPT_OSS: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu_clamped",
    positions="rotary",
    kv_heads=2,
    window=4,
    window_pattern="LG",
    sinks=True,
    rotary_scaling="yarn",
    rotary_factor=4.0,
    rotary_original_length=8,
    rotary_beta_fast=2.0,
    rotary_attention_factor=1.2,
    rotary_truncate=False,
    experts=4,
    expert_router_bias=True,
)
PHI: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary",
    rotary_scaling="longrope",
    rotary_factor=4.0,
    rotary_original_length=8,
    rotary_short_factor=(1.0, 1.5),
    rotary_long_factor=(2.0, 8.0),
    **NO_BIAS,
)
QWEN: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary",
    rotary_fraction=0.5,
    kv_heads=2,
    qk_norm="head",
    attention_gate=True,
    **NO_BIAS,
)
OLMO: dict[str, Any] = dict(
    norm="branch",
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary_interleaved",
    qk_norm="full",
    attention_bias="qkv",
)
BARE: dict[str, Any] = dict(
    norm="post", positions="none", activation="relu_squared", norm_type="rms_norm_no_weight"
)
MIXTRAL: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary",
    kv_heads=2,
    experts=4,
    experts_per_token=2,
    expert_balance_loss=0.05,
    expert_z_loss=0.01,
    **NO_BIAS,
)
DEEPSEEK: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="swiglu",
    positions="rotary_interleaved",
    head_size=6,
    rotary_fraction=1 / 3,
    latent_size=8,
    query_latent_size=10,
    value_size=5,
    rotary_scaling="yarn",
    rotary_factor=4.0,
    rotary_original_length=8,
    experts=6,
    experts_per_token=2,
    expert_scoring="sigmoid",
    expert_scale=2.5,
    expert_groups=3,
    kept_expert_groups=2,
    expert_bias_rate=0.01,
    expert_d_ff=20,
    dense_first=1,
    expert_balance_loss=0.01,
    shared_d_ff=8,
    scale_branches=True,
    **NO_BIAS,
)
QWEN_NEXT: dict[str, Any] = dict(
    QWEN,
    norm_type="rms_norm_plus_one",
    delta_pattern="DA",
    delta_heads=4,
    delta_key_heads=2,
    delta_key_size=3,
    delta_value_size=5,
    experts=4,
    shared_d_ff=6,
    shared_gate=True,
)
GRANITE: dict[str, Any] = dict(
    LLAMA,
    embedding_multiplier=6.0,
    residual_multiplier=0.3,
    attention_scale=0.1,
    logit_multiplier=0.25,
)
COHERE: dict[str, Any] = dict(
    parallel=True,
    norm_type="layer_norm_no_bias",
    activation="swiglu",
    positions="rotary_interleaved",
    kv_heads=2,
    window=4,
    window_pattern="LG",
    rotary_pattern="RN",
    logit_multiplier=0.25,
    **NO_BIAS,
)
KIMI: dict[str, Any] = dict(
    QWEN, delta_pattern="KA", delta_heads=3, delta_key_size=3, delta_value_size=5, delta_width=3
)
MAMBA: dict[str, Any] = dict(
    norm_type="rms_norm",
    activation="relu_squared",
    positions="none",
    delta_pattern="SA",
    delta_heads=4,
    delta_key_heads=2,
    delta_key_size=5,
    delta_value_size=3,
    **NO_BIAS,
)
BLOOM: dict[str, Any] = dict(positions="alibi", kv_heads=1)
T5: dict[str, Any] = dict(norm_type="rms_norm", positions="t5", window=5, window_pattern="GL")
AHEAD: dict[str, Any] = dict(LLAMA, predict_ahead=2, scale_branches=True)
DECODERS = {
    "gpt-2": {},
    "llama": LLAMA,
    "smollm": SMOLLM,
    "gemma": GEMMA,
    "gemma-4": GEMMA4,
    "gpt-oss": GPT_OSS,
    "qwen": QWEN,
    "phi": PHI,
    "olmo": OLMO,
    "bare": BARE,
    "mixtral": MIXTRAL,
    "deepseek": DEEPSEEK,
    "qwen3-next": QWEN_NEXT,
    "granite": GRANITE,
    "cohere": COHERE,
    "kimi-linear": KIMI,
    "mamba-2": MAMBA,
    "ahead": AHEAD,
    "bloom": BLOOM,
    "t5": T5,
}
