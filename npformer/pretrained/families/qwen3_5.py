"""Qwen 3.5 without pictures: three layers in four keep a state, and the fourth has a gate.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.delta import delta_entries, delta_settings
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.tensors import Entry, whole
from npformer.pretrained.turns import by_turns


class Qwen35(Llama):
    """Norms are 1 + weight, but for that of a delta net, which is the weight itself."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3_5_text",)
    head_size: ClassVar[int | None] = 256
    kv_heads: ClassVar[int | None] = 4
    ignored_tensors: ClassVar = {
        **Llama.ignored_tensors,
        r"mtp\..*": "predicts a token further; for training and drafts",
    }
    quirks: ClassVar = {
        **{name: quirk for name, quirk in Llama.quirks.items() if name != "1 + weight"},
        "weight without 1": quirks.WITHOUT_ONE,
        "all columns turn": quirks.ALL_COLUMNS,
    }

    delta_entries = staticmethod(delta_entries)
    """How the tensors of a layer are found that keeps a state."""

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        found = super().settings(fields)
        return {
            **found,
            "norm_type": "rms_norm_plus_one",
            "qk_norm": "head",
            "attention_gate": True,
            **delta_settings(fields, found["layers"]),
        }

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, fraction=0.25)

    def attention(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's attention, or of the delta net in its place."""
        _, _, layer, name = ours.split(".")
        if config.keeps_a_state(int(layer)):
            return self.delta_entries(config, ours, theirs.replace(name, "linear_attn"))
        kinds = ("weight", "bias") if config.attention_bias == "all" else ("weight",)
        table = []
        for kind in kinds:
            names = [f"{ours}.{own}_proj.{kind}" for own in ("q", "gate")]
            theirs_of, vectors = f"{theirs}.q_proj.{kind}", kind == "bias"
            table.append(by_turns(names, theirs_of, config.heads, vectors=vectors))
        for own, their in (("k", "k"), ("v", "v"), ("out", "o")):
            table += [
                whole(f"{ours}.{own}_proj.{kind}", f"{theirs}.{their}_proj.{kind}")
                for kind in kinds
            ]
        return table + [
            whole(f"{ours}.{norm}.weight", f"{theirs}.{norm}.weight")
            for norm in ("q_norm", "k_norm")
        ]
