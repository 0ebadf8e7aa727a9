"""Phi-3 and Phi-4 mini (Abdin et al., 2024, arXiv:2404.14219): Llama with fused matrices."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.mistral import Mistral
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.tensors import Entry, fused, whole


class Phi3(Mistral):
    """Queries, keys and values are one matrix, gate and up another."""

    model_types: ClassVar[tuple[str, ...]] = ("phi3",)
    kv_heads: ClassVar[int | None] = None
    padding_id: ClassVar[int | None] = 32000
    eps = 1e-5
    ignored_fields: ClassVar = {
        **Mistral.ignored_fields,
        "embd_pdrop": "in training alone; a run has a dropout of its own",
        "resid_pdrop": "in training alone",
        "original_max_position_embeddings": "of longrope alone",
    }
    quirks: ClassVar = {**Mistral.quirks, "every column turns": quirks.ALL_COLUMNS}

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not.

        With longrope the library goes over to other frequencies once a text is longer than those of
        training. The model that is loaded takes texts up to that length, and has the first ones.
        """
        fields.only("lm_head_bias", False)
        for name in ("full_attn_mod", "interpolate_factor"):
            fields.only(name, 1)
        found = super().settings(fields) | {"window": fields.take("sliding_window", None)}
        if found["rotary_scaling"] == "longrope":
            trained = fields.take("original_max_position_embeddings", 4096)
            trained = found.setdefault("rotary_original_length", trained)
            found.setdefault("rotary_factor", found["max_length"] / trained)
            found["max_length"] = min(found["max_length"], trained)
        return found

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, renamed={"su": "longrope", "yarn": "longrope"})

    def attention(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's attention."""
        parts = [f"{ours}.{name}_proj.weight" for name in "qkv"]
        return [
            fused(parts, f"{theirs}.qkv_proj.weight"),
            whole(f"{ours}.out_proj.weight", f"{theirs}.o_proj.weight"),
        ]

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's feed-forward network."""
        return [
            fused([f"{ours}.{name}_proj.weight" for name in ("gate", "up")],
                  f"{theirs}.gate_up_proj.weight"),
            whole(f"{ours}.down_proj.weight", f"{theirs}.down_proj.weight"),
        ]  # fmt: skip
