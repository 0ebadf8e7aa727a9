"""GLM-4 of 2024 (Team GLM, 2024, arXiv:2406.12793): Llama whose neighbouring columns turn."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.tensors import Entry, fused, whole


class Glm(Llama):
    """Half of a head turns, neighbours together; queries, keys and values have a bias."""

    model_types: ClassVar[tuple[str, ...]] = ("glm",)
    kv_heads: ClassVar[int | None] = 2
    head_size: ClassVar[int | None] = 128
    eps: ClassVar[float] = 1.5625e-07
    padding_id: ClassVar[int | None] = 151329
    quirks: ClassVar = {
        **{name: quirk for name, quirk in Llama.quirks.items() if name != "interleaved halves"},
        "halves for neighbours": quirks.HALVES,
        "every column turns": quirks.ALL_COLUMNS,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        bias = "qkv" if fields.take("attention_bias", True) else "none"
        return {
            **super().settings(fields),
            "attention_bias": bias,
            "positions": "rotary_interleaved",
        }

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, fraction=0.5)

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's feed-forward network."""
        pair = [f"{ours}.{name}_proj.weight" for name in ("gate", "up")]
        return [
            fused(pair, f"{theirs}.gate_up_proj.weight"),
            whole(f"{ours}.down_proj.weight", f"{theirs}.down_proj.weight"),
        ]
