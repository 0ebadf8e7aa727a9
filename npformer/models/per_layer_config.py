"""The settings of per-layer embeddings, for families that may have them.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from npformer.fields import check
from npformer.models.attention_config import AttentionConfig
from npformer.nn.gated_activation import GATED_ACTIVATIONS

GATED = {"gelu": "geglu", "gelu_tanh": "geglu_tanh", "silu": "swiglu"}
"""Of an activation, the one that multiplies it by a second factor."""


@dataclass(frozen=True, kw_only=True)
class PerLayerConfig(AttentionConfig):
    """Whether each layer has an embedding of its own; raises ConfigError for settings that do not
    go together."""

    per_layer_size: int | None = None
    """Columns of a second embedding that every layer has of each token, gated by the stream and
    added to it (per-layer embeddings, as in Gemma 3n); none unless given."""
    per_layer_vocab: int | None = None
    """Tokens that have such rows, those with the lowest ids; the others read row 0. All of them
    unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        size, tokens = self.per_layer_size, self.per_layer_vocab
        for name in ("per_layer_size", "per_layer_vocab"):
            value = getattr(self, name)
            check(
                value is None or value >= 1,
                f"{name} is {value}; it must be 1 or more, or not given",
            )
        check(
            tokens is None or size is not None,
            f"per_layer_vocab is {tokens} and there are no per-layer embeddings; give "
            "per_layer_size, their columns",
        )
        check(
            tokens is None or tokens <= self.vocab_size,
            f"per_layer_vocab is {tokens}, of a vocabulary of {self.vocab_size}; it must be that "
            "or less",
        )
        check(
            size is None or self._gate in GATED_ACTIVATIONS,
            f"per_layer_size is {size} and activation {self.activation!r}, which no gate has; "
            f"choose one of {', '.join((*GATED, *GATED_ACTIVATIONS))}",
        )

    @property
    def _gate(self) -> str:
        return GATED.get(self.activation, self.activation)

    def per_layer_settings(self, layers: int) -> dict[str, Any] | None:
        """The arguments of a ``PerLayerEmbedding`` for so many layers, or None."""
        if self.per_layer_size is None:
            return None
        return {
            "num_embeddings": self.per_layer_vocab or self.vocab_size,
            "layers": layers,
            "size": self.per_layer_size,
            "d_model": self.d_model,
            "padding_idx": self.padding_id,
            "norm_type": self.norm_type,
            "eps": self.layer_norm_eps,
        }

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack without rows, but for what its layers do with theirs."""
        settings = super().stack_settings(layers)
        if self.per_layer_size is not None:
            settings["per_layer"] = {"size": self.per_layer_size, "activation": self._gate}
        return settings
