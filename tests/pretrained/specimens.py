"""A small configuration of the library's for each family, with what it is known for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers

SIZES: dict[str, Any] = dict(
    vocab_size=43,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    intermediate_size=28,
    max_position_embeddings=32,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=100.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
YARN = dict(rope_type="yarn", rope_theta=100.0, factor=4.0, original_max_position_embeddings=16)
LINEAR = dict(rope_type="linear", rope_theta=100.0, factor=4.0)
LAST_LOCAL = dict(use_sliding_window=True, sliding_window=4, max_window_layers=1)
FAST = dict(rope_type="default", rope_theta=100.0)
DEEPSEEK: dict[str, Any] = dict(
    **{name: SIZES[name] for name in ("vocab_size", "hidden_size", "max_position_embeddings")},
    num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3, intermediate_size=28,
    moe_intermediate_size=12,
    n_routed_experts=8, num_experts_per_tok=2, n_group=2, topk_group=1, n_shared_experts=2,
    first_k_dense_replace=1, kv_lora_rank=16, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5,
)  # fmt: skip
MULTIPLIERS: dict[str, Any] = dict(
    embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.2,
    logits_scaling=8.0,
)  # fmt: skip
GEMMA4: dict[str, Any] = dict(
    global_head_dim=16, hidden_size_per_layer_input=0, sliding_window=4,
    final_logit_softcapping=3.0, layer_types=["sliding_attention", "full_attention"],
    rope_parameters={
        "full_attention": {
            "rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000.0
        },
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    },
)  # fmt: skip
KINDS = ["sliding_attention", "full_attention"]

SPECIMENS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=43, n_embd=24, n_layer=2, n_head=4, n_positions=32
    ),
    "llama": lambda: transformers.LlamaConfig(**SIZES, rope_parameters=LLAMA3),
    "llama-tied-biased": lambda: transformers.LlamaConfig(
        **SIZES, tie_word_embeddings=True, attention_bias=True, mlp_bias=True, pad_token_id=2
    ),
    "mistral": lambda: transformers.MistralConfig(**SIZES, sliding_window=4),
    "mistral-no-window": lambda: transformers.MistralConfig(
        **SIZES, sliding_window=None, rope_parameters=YARN
    ),
    "qwen2": lambda: transformers.Qwen2Config(
        **SIZES, **LAST_LOCAL, rope_parameters=YARN
    ),
    "qwen3": lambda: transformers.Qwen3Config(
        **SIZES, **LAST_LOCAL, rope_parameters=LINEAR
    ),
    "mixtral": lambda: transformers.MixtralConfig(
        **SIZES, num_local_experts=4, sliding_window=4, rope_parameters=YARN
    ),
    "qwen3-moe": lambda: transformers.Qwen3MoeConfig(
        **SIZES, **LAST_LOCAL, moe_intermediate_size=12, num_experts=4, num_experts_per_tok=2,
        norm_topk_prob=True, rope_parameters=LINEAR,
    ),
    "qwen3.5": lambda: transformers.Qwen3_5TextConfig(
        **SIZES, layer_types=["linear_attention", "full_attention"],
        linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6,
        linear_value_head_dim=5,
        rope_parameters={**YARN, "partial_rotary_factor": 0.5},
    ),
    "qwen2-moe": lambda: transformers.Qwen2MoeConfig(
        **SIZES, moe_intermediate_size=12, shared_expert_intermediate_size=20, num_experts=4,
        num_experts_per_tok=2, use_sliding_window=True, sliding_window=4, rope_parameters=LINEAR,
    ),
    "qwen3-next": lambda: transformers.Qwen3NextConfig(
        **SIZES, layer_types=["linear_attention", "full_attention"],
        linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6,
        linear_value_head_dim=5, moe_intermediate_size=12, shared_expert_intermediate_size=20,
        num_experts=4, num_experts_per_tok=2,
        rope_parameters={**YARN, "partial_rotary_factor": 0.5},
    ),
    "olmoe": lambda: transformers.OlmoeConfig(
        **{name: size for name, size in SIZES.items() if name != "head_dim"},
        num_experts=4, num_experts_per_tok=2, eos_token_id=3, rope_parameters=YARN,
    ),
    "deepseek-v3": lambda: transformers.DeepseekV3Config(
        **DEEPSEEK, q_lora_rank=20,
        rope_parameters={**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
    ),
    "deepseek-v3-plain-queries": lambda: transformers.DeepseekV3Config(
        **DEEPSEEK, q_lora_rank=None,
        rope_parameters={**YARN, "mscale": 0.7, "mscale_all_dim": 0.5},
    ),
    "gpt-oss": lambda: transformers.GptOssConfig(
        **SIZES, num_local_experts=4, num_experts_per_tok=2, sliding_window=4,
        rope_parameters={**YARN, "beta_slow": 0.1, "truncate": False},
    ),
    "smollm3": lambda: transformers.SmolLM3Config(
        **SIZES, no_rope_layers=[1, 0], pad_token_id=None, rope_parameters=LLAMA3
    ),
    "granite": lambda: transformers.GraniteConfig(**SIZES, **MULTIPLIERS, rope_parameters=YARN),
    "granitemoe": lambda: transformers.GraniteMoeConfig(
        **SIZES, **MULTIPLIERS, num_local_experts=4, rope_parameters=YARN
    ),
    "granitemoe-shared": lambda: transformers.GraniteMoeSharedConfig(
        **SIZES, **MULTIPLIERS, num_local_experts=4, shared_intermediate_size=12,
        rope_parameters=YARN,
    ),
    "granite4": lambda: transformers.GraniteMoeHybridConfig(
        **SIZES, **MULTIPLIERS, layer_types=["full_attention"] * 2, num_local_experts=0,
        shared_intermediate_size=20, mamba_n_heads=4, position_embedding_type="rope",
        tie_word_embeddings=True, rope_parameters=YARN,
    ),
    "glm": lambda: transformers.GlmConfig(
        **SIZES, pad_token_id=2, rope_parameters={**YARN, "partial_rotary_factor": 0.5}
    ),
    "glm4": lambda: transformers.Glm4Config(
        **SIZES, pad_token_id=2, rope_parameters={**YARN, "partial_rotary_factor": 0.5}
    ),
    "exaone4": lambda: transformers.Exaone4Config(
        **SIZES, sliding_window=4, layer_types=KINDS, rope_parameters=LLAMA3
    ),
    "cohere": lambda: transformers.CohereConfig(
        **SIZES, pad_token_id=2, eos_token_id=3, logit_scale=0.3, rope_parameters=YARN
    ),
    "cohere2": lambda: transformers.Cohere2Config(
        **SIZES, pad_token_id=2, eos_token_id=3, logit_scale=0.3, sliding_window=4,
        layer_types=KINDS, rope_parameters=YARN,
    ),
    "phi": lambda: transformers.PhiConfig(
        **SIZES, rope_parameters={**YARN, "partial_rotary_factor": 0.5}
    ),
    "gemma2": lambda: transformers.Gemma2Config(
        **SIZES, sliding_window=4, query_pre_attn_scalar=17, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    ),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **SIZES, sliding_window=4, query_pre_attn_scalar=17, layer_types=KINDS,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    ),
    "gemma4": lambda: transformers.Gemma4TextConfig(
        **SIZES, **GEMMA4, attention_k_eq_v=True, num_global_key_value_heads=1
    ),
    "gemma4-unified": lambda: transformers.Gemma4UnifiedTextConfig(
        **SIZES, **{name: value for name, value in GEMMA4.items() if "per_layer" not in name},
        attention_k_eq_v=True, num_global_key_value_heads=1,
    ),
    "gemma4-own-values": lambda: transformers.Gemma4TextConfig(
        **{**SIZES, "num_hidden_layers": 3}, **{**GEMMA4, "global_head_dim": 24,
        "layer_types": [*GEMMA4["layer_types"], "full_attention"]}, attention_bias=True,
    ),
    "olmo2": lambda: transformers.Olmo2Config(
        **SIZES, eos_token_id=3, rope_parameters=YARN
    ),
    "olmo3": lambda: transformers.Olmo3Config(
        **SIZES, eos_token_id=3, sliding_window=4, layer_types=KINDS,
        rope_parameters={
            "full_attention": {**YARN, "beta_fast": 8.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    ),
    "phi3": lambda: transformers.Phi3Config(
        **SIZES, pad_token_id=0, eos_token_id=3, bos_token_id=2, sliding_window=4,
        rope_parameters={**FAST, "partial_rotary_factor": 0.5},
    ),
    "phi3-longrope": lambda: transformers.Phi3Config(
        **{**SIZES, "max_position_embeddings": 64, "hidden_size": 32}, pad_token_id=0,
        eos_token_id=3, bos_token_id=2,
        original_max_position_embeddings=32,
        rope_parameters={
            **FAST, "rope_type": "longrope", "partial_rotary_factor": 0.5,
            "short_factor": [1.1, 1.3], "long_factor": [2.0, 4.0],
            "original_max_position_embeddings": 32,
        },
    ),
}  # fmt: skip

ENCODER = dict(
    vocab_size=43,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=28,
    max_position_embeddings=32,
)
ENCODERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "bert": ("AutoModelForMaskedLM", lambda: transformers.BertConfig(**ENCODER)),
    "minilm": ("AutoModel", lambda: transformers.BertConfig(**ENCODER)),
    "roberta": (
        "AutoModelForMaskedLM",
        lambda: transformers.RobertaConfig(**ENCODER, type_vocab_size=1, layer_norm_eps=1e-5),
    ),
    "modernbert": (
        "AutoModelForMaskedLM",
        lambda: transformers.ModernBertConfig(
            **ENCODER | {"num_hidden_layers": 4},
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
            local_attention=4,
            rope_parameters={
                "full_attention": {"rope_type": "default", "rope_theta": 1000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            },
        ),
    ),
    "modernbert-biased": (
        "AutoModelForMaskedLM",
        lambda: transformers.ModernBertConfig(
            **ENCODER,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
            layer_types=["full_attention", "full_attention"],
            norm_bias=True,
            attention_bias=True,
            mlp_bias=True,
            classifier_bias=True,
            decoder_bias=False,
        ),
    ),
}
"""Those that see a text whole, with the library's class of each."""

T5 = dict(
    vocab_size=43,
    d_model=24,
    d_kv=5,
    d_ff=28,
    num_layers=2,
    num_heads=3,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
    decoder_start_token_id=0,
)
TWO_STACKS = dict(
    vocab_size=43,
    d_model=24,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=3,
    decoder_attention_heads=3,
    encoder_ffn_dim=28,
    decoder_ffn_dim=28,
    max_position_embeddings=32,
)
MARIAN = dict(
    **TWO_STACKS,
    pad_token_id=42,
    decoder_start_token_id=42,
    eos_token_id=0,
    forced_eos_token_id=None,
    activation_function="swish",
    scale_embedding=True,
)
ENCODER_DECODERS: dict[str, Callable[[], Any]] = {
    "t5": lambda: transformers.T5Config(**T5),
    "t5-1.1": lambda: transformers.T5Config(
        **T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False
    ),
    # Unless told, BART pads with 1, the tokenizer's beginning of a text: every text would begin
    # with padding, for which the library counts a position and npformer none.
    "bart": lambda: transformers.BartConfig(
        **TWO_STACKS, pad_token_id=42, forced_eos_token_id=None
    ),
    "marian": lambda: transformers.MarianConfig(**MARIAN),
    "marian-two-vocabularies": lambda: transformers.MarianConfig(
        **MARIAN | {"vocab_size": 45, "pad_token_id": 42},
        share_encoder_decoder_embeddings=False,
        decoder_vocab_size=43,
    ),
    "m2m_100": lambda: transformers.M2M100Config(**TWO_STACKS),
}
"""Those that write a second text."""

WHISPER = dict(
    vocab_size=43,
    d_model=24,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=3,
    decoder_attention_heads=3,
    encoder_ffn_dim=28,
    decoder_ffn_dim=28,
    num_mel_bins=8,
    max_source_positions=11,
    max_target_positions=32,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=0,
    decoder_start_token_id=1,
    begin_suppress_tokens=None,
)
SPEECH: dict[str, Callable[[], Any]] = {
    "whisper": lambda: transformers.WhisperConfig(**WHISPER),
}
"""Those that hear."""


def specimen(name: str) -> tuple[str, Any]:
    """The library's class of a specimen, and its config."""
    if name in ENCODERS:
        kind, config = ENCODERS[name]
        return kind, config()
    if name in ENCODER_DECODERS:
        return "AutoModelForSeq2SeqLM", ENCODER_DECODERS[name]()
    if name in SPEECH:
        return "AutoModelForSpeechSeq2Seq", SPEECH[name]()
    return "AutoModelForCausalLM", SPECIMENS[name]()
