"""What families with gated delta nets have in common: which layers, their sizes, their tensors.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npformer.errors import ConfigError
from npformer.ops.array import Array
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import GLOBAL
from npformer.pretrained.tensors import Entry, Fused, Shape, fused, whole
from npformer.pretrained.turns import by_turns

KEEPS = "linear_attention"
"""The kind of a layer that keeps a state, by the name that configs have for it."""
LETTERS = {KEEPS: "D", GLOBAL: "A"}


class FusedChannels(Fused):
    """Windows of channels (channels, width) are one tensor (all channels, 1, width)."""

    def load(self, theirs: Sequence[Array], shapes: Sequence[Shape]) -> Sequence[Array]:
        """One tensor -> its parts."""
        return super().load([tensor.squeeze(1) for tensor in theirs], shapes)

    def store(self, ours: Sequence[Array]) -> Sequence[Array]:
        """The parts -> one tensor."""
        return [tensor[:, None] for tensor in super().store(ours)]


def delta_settings(fields: Fields, layers: int) -> dict[str, Any]:
    """The settings of the layers that keep a state, of which there is one.

    Raises ConfigError for a number or a kind of layers that npformer has not.
    """
    interval = fields.given("full_attention_interval", 4)
    kinds = fields.given(
        "layer_types", [GLOBAL if (n + 1) % interval == 0 else KEEPS for n in range(layers)]
    )
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise ConfigError(f"layer_types is {str(kinds)[:60]!r}; it must name {layers} layers")
    for kind in kinds:
        if not isinstance(kind, str) or kind not in LETTERS:
            raise ConfigError(
                f"layer_types has {kind!r}; npformer has {' and '.join(map(repr, LETTERS))}"
            )
    if KEEPS not in kinds:
        raise ConfigError(f"layer_types has no {KEEPS!r}, without which there is no such model")
    return {
        "delta_pattern": "".join(LETTERS[kind] for kind in kinds),
        "delta_heads": fields.take("linear_num_value_heads", 32),
        "delta_key_heads": fields.take("linear_num_key_heads", 16),
        "delta_key_size": fields.take("linear_key_head_dim", 128),
        "delta_value_size": fields.take("linear_value_head_dim", 128),
        "delta_width": fields.take("linear_conv_kernel_dim", 4),
    }


def delta_entries(config: Any, ours: str, theirs: str) -> list[Entry]:
    """The part of a layer's delta net."""
    streams = [f"{ours}.{name}_proj.weight" for name in "qkv"]
    return [
        fused(streams, f"{theirs}.in_proj_qkv.weight"),
        whole(f"{ours}.gate_proj.weight", f"{theirs}.in_proj_z.weight"),
        whole(f"{ours}.beta_proj.weight", f"{theirs}.in_proj_b.weight"),
        whole(f"{ours}.decay_proj.weight", f"{theirs}.in_proj_a.weight"),
        *_others(ours, theirs),
    ]


def delta_entries_by_turns(config: Any, ours: str, theirs: str) -> list[Entry]:
    """The same where two matrices hold the parts of one head of keys, then of the next."""
    streams = [f"{ours}.{name}_proj.weight" for name in (*"qkv", "gate")]
    rates = [f"{ours}.{name}_proj.weight" for name in ("beta", "decay")]
    groups = config.delta_key_heads
    return [
        by_turns(streams, f"{theirs}.in_proj_qkvz.weight", groups),
        by_turns(rates, f"{theirs}.in_proj_ba.weight", groups),
        *_others(ours, theirs),
    ]


def _others(ours: str, theirs: str) -> list[Entry]:
    windows = tuple(f"{ours}.{name}_conv.weight" for name in "qkv")
    return [
        Entry(windows, (f"{theirs}.conv1d.weight",), FusedChannels()),
        whole(f"{ours}.decay_bias", f"{theirs}.dt_bias"),
        # Together, so that compare does not take one for the other: the library's norm has the
        # gate in it, and what it gives is not what the norm here gives.
        Entry(
            (f"{ours}.norm.weight", f"{ours}.log_rate"),
            (f"{theirs}.norm.weight", f"{theirs}.A_log"),
        ),
        whole(f"{ours}.out_proj.weight", f"{theirs}.out_proj.weight"),
    ]
