"""What the cards of whole models draw of self-attention: the settings of ``AttentionConfig``."""

from __future__ import annotations

from typing import Any, get_args

from npformer.cards.strategies import Source, rarely
from npformer.models.stack_config import Placement

STILL: tuple[dict[str, Any], ...] = ({}, *({"positions": n} for n in ("none", "alibi", "t5")))
SCALINGS: tuple[dict[str, Any], ...] = (
    {},
    {"rotary_scaling": "linear", "rotary_factor": 2.0},
    {"rotary_scaling": "proportional"},
    {"rotary_scaling": "llama3", "rotary_factor": 2.0, "rotary_original_length": 4},
)


def draw_later(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    """What came after 2017."""
    if rarely(source, 4):
        return _draw_latents(source, settings)
    return draw_without_latents(source, settings)


def draw_multipliers(source: Source) -> dict[str, Any]:
    """Factors of the embedding, of the branches and of the logits."""
    return {
        "embedding_multiplier": source.choice((1.0, 3.0)),
        "residual_multiplier": source.choice((1.0, 0.5)),
        "logit_multiplier": source.choice((1.0, 0.25)),
    }


def draw_without_latents(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    """The same, of a family whose attention keeps the keys and values of every head."""
    window = source.choice((None, 2))
    turns = {
        "positions": source.choice(("rotary", "rotary_interleaved")),
        "rotary_fraction": source.choice((1.0, 0.5)),
        "rotary_pattern": source.choice(("", "NR")),
        "rotary_theta": 100.0,
        "rotary_theta_local": source.choice((None, 10.0)) if window else None,
        **source.choice(SCALINGS),
    }
    return {
        "head_size": source.choice((None, 4)),
        "kv_heads": source.choice((None, 1)),
        "attention_bias": source.choice(("all", "qkv", "none")),
        "feed_forward_bias": source.choice((True, False)),
        "qk_norm": source.choice(("none", "head", "full")),
        "softcap": source.choice((None, 2.0)),
        "logit_softcap": source.choice((None, 1.5)),
        "sinks": source.choice((False, True)),
        "attention_gate": source.choice((False, True)),
        "window": window,
        "window_pattern": source.choice(("", "LG")) if window else "",
        "scale_embedding": source.choice((False, True)),
        "norm": source.choice(get_args(Placement)),
        **source.choice((turns, *STILL) if _even(settings) else STILL),
    }


def _draw_latents(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    """Keys and values of a latent, and a key of two columns that all heads share."""
    return {
        "positions": source.choice(("rotary", "rotary_interleaved")),
        "head_size": 5,
        "rotary_fraction": 0.4,
        "rotary_theta": 100.0,
        "latent_size": source.choice((4, 3)),
        "query_latent_size": source.choice((None, 4)),
        "value_size": source.choice((None, 2)),
        "layer_norm_eps": 0.1,  # of so few columns some row is nearly constant
        "attention_bias": "none",
        **source.choice(({}, {"rotary_scaling": "yarn", "rotary_factor": 2.0,
                              "rotary_original_length": 4})),
    }  # fmt: skip


def _even(settings: dict[str, Any]) -> bool:
    """Whether half of a head is an even number of columns, whichever size is drawn."""
    return settings["d_model"] // settings["heads"] == 4
