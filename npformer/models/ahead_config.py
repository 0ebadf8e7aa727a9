"""The settings of multi-token prediction, for families that may be trained by it.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.delta_config import DeltaConfig
from npformer.models.latent_config import LatentConfig


@dataclass(frozen=True, kw_only=True)
class AheadConfig(DeltaConfig, LatentConfig):
    """How far beyond the next token a training looks; without ``predict_ahead`` no further.

    Raises ConfigError for settings that do not go together.
    """

    predict_ahead: int = 0
    """Tokens behind the next one that training predicts too, each by a layer of its own
    (DeepSeek-V3's multi-token prediction); 0: none. Decoding leaves these layers out."""
    predict_ahead_loss: float = 0.3
    """What the mean of their losses counts beside a token's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ahead, loss = self.predict_ahead, self.predict_ahead_loss
        check(
            0 <= ahead < self.max_length,
            f"predict_ahead is {ahead}; it must be 0, or less than max_length, {self.max_length}",
        )
        check(loss > 0, f"predict_ahead_loss is {loss}; it must be > 0")
        usual = AheadConfig.__dataclass_fields__["predict_ahead_loss"].default
        check(
            ahead > 0 or loss == usual,
            "predict_ahead_loss is for tokens behind the next one, and none is predicted; give "
            "predict_ahead, how many",
        )

    @property
    def alike(self) -> bool:
        """Not with layers beside the stack that are more than one."""
        return self.predict_ahead < 2 and super().alike

    @property
    def auxiliary(self) -> bool:
        """Whether a training has losses beside the tokens', or counts each expert's tokens."""
        return self.predict_ahead > 0 or super().auxiliary

    def ahead_settings(self, layers: int) -> dict[str, Any]:
        """The settings of a ``MultiTokenPrediction``: its layer is as the last of so many."""
        settings = self.stack_settings(layers)
        experts = settings.pop("experts", [None])[-1]
        return {**settings, "attention": settings["attention"][-1], "experts": experts}
