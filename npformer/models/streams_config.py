"""The settings of a residual of several streams, for families that may have one.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from npformer.fields import check
from npformer.models.attention_config import AttentionConfig


@dataclass(frozen=True, kw_only=True)
class StreamsConfig(AttentionConfig):
    """How many streams, and how they are mixed; raises ConfigError for settings that do not go
    together."""

    streams: int | None = None
    """Streams of the residual that each sub-layer reads from, writes to and mixes
    (hyper-connections); one, and no such weights, unless given."""
    stream_mixing: Literal["free", "sinkhorn"] = "free"
    """Whether the matrix that mixes streams is any, or doubly stochastic (mHC)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        streams = self.streams
        check(
            streams is None or streams >= 1,
            f"streams is {streams}; it must be 1 or more, or not given",
        )
        check(
            streams is not None or self.stream_mixing == "free",
            f"stream_mixing is {self.stream_mixing!r} and there is one stream; give streams",
        )
        check(
            streams is None or self.norm == "pre",
            f"streams is {streams} and norm is {self.norm!r}; a sub-layer norms what it reads, so "
            "norm must be 'pre'",
        )

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack with one stream, but for how many there are."""
        settings = super().stack_settings(layers)
        if self.streams is not None:
            settings["streams"] = {"streams": self.streams, "mixing": self.stream_mixing}
        return settings
