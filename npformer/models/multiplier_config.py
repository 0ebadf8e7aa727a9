"""The factors by which a model's parts are multiplied, for families that may have them.

Granite's (IBM, 2024) are chosen at a small width and kept at a large one, as in muP
(arXiv:2203.03466); that of the scores is ``attention_scale``. A layer scalar is learned.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from npformer.fields import check
from npformer.models.attention_config import AttentionConfig


@dataclass(frozen=True, kw_only=True)
class MultiplierConfig(AttentionConfig):
    """Of the embedding, of every branch and of the logits; raises ConfigError for 0 or less."""

    embedding_multiplier: float = 1.0
    """Factor of the embedding where it is read, beside that of scale_embedding."""
    residual_multiplier: float = 1.0
    """Factor of what every branch adds to the residual stream."""
    logit_multiplier: float = 1.0
    """Factor of the last states as they are projected, and so of the logits but for a bias."""
    layer_scalar: Literal["none", "learned", "fixed"] = "none"
    """Whether all that leaves a layer is multiplied by a number of its own, 1 at the beginning; a
    fixed one stays as it is loaded (Gemma 4)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("embedding_multiplier", "residual_multiplier", "logit_multiplier"):
            factor = getattr(self, name)
            check(factor > 0, f"{name} is {factor}; it must be > 0")

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack without factors, of which ``residual_scale`` is the branches'."""
        settings = super().stack_settings(layers) | {"residual_scale": self.residual_multiplier}
        if self.layer_scalar != "none":
            settings["layer_scalar"] = {"trainable": self.layer_scalar == "learned"}
        return settings
