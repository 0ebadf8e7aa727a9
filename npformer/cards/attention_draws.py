"""What the cards of attention, of a layer and of a stack draw of self-attention's settings."""

from __future__ import annotations

from typing import Any

from npformer.cards.strategies import Source

NORM_TYPES = ("rms_norm", "rms_norm_plus_one", "layer_norm")


BIASES = ("alibi", "t5")


def draw_attention(
    source: Source, heads: int, size: int, length: int, *, as_wide: bool
) -> dict[str, Any]:
    """Those of 2017, or a choice of each; a head has ``size`` columns, a text ``length`` tokens.

    ``as_wide`` is whether its values have as many columns.
    """
    if not source.choice((False, True)):
        return {}
    return {
        "kv_heads": source.choice([n for n in (heads, 1) if heads % n == 0]),
        "bias": source.choice(("all", "qkv", "qvo", "none")),
        "qk_norm": source.choice(("none", "head", "full")),
        "norm_type": source.choice(NORM_TYPES),
        "positions": draw_positions(source, heads, size, length),
        "window": source.choice((None, 1, 2, 3)),
        "softcap": source.choice((None, 2.0)),
        "scale": source.choice((None, 0.3)),
        "sinks": source.choice((False, True)),
        "gate": source.choice((False, True)),
        "value_norm": source.choice((False, True)),
        "values_from_keys": as_wide and source.choice((False, True)),
    }


def draw_positions(source: Source, heads: int, size: int, length: int) -> dict[str, Any] | None:
    """Arguments of ``make_positions`` for those that turn columns of a head, or bias; or None."""
    kind = source.choice(("none", "rotary", "rotary_interleaved", *BIASES))
    if kind in BIASES:
        few = {"buckets": 4, "max_distance": 5} if kind == "t5" else {}
        return {"name": kind, "max_length": max(length, 64), "heads": heads, **few}
    if kind == "none" or size < 2:
        return None
    return {
        "name": kind,
        "max_length": max(length, 64),
        "rotary_width": source.choice(range(2, size + 1, 2)),
        "theta": source.choice((10.0, 10_000.0)),
    }
