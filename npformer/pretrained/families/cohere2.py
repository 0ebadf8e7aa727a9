"""Command R7B and Command A (Cohere, 2024, 2025): Command R, three layers of four local."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.cohere import Cohere
from npformer.pretrained.fields import Fields
from npformer.pretrained.windows import windows


class Cohere2(Cohere):
    """Global layers have no positions."""

    model_types: ClassVar[tuple[str, ...]] = ("cohere2",)
    theta: ClassVar[float] = 10_000.0
    ignored_fields: ClassVar = {
        **Cohere.ignored_fields,
        "layer_switch": "sliding_window_pattern by another name",
        "use_embedding_sharing": "tie_word_embeddings by another name",
        "use_parallel_embedding": "how the embedding is spread over devices",
        "cache_implementation": "how the library keeps keys and values",
    }
    quirks: ClassVar = {
        **Cohere.quirks,
        "every layer turns": quirks.ALL_TURN,
        "the others turn": quirks.OTHERS_TURN,
        "window of one key more": quirks.WINDOW_LONGER,
        "every layer local": quirks.ALL_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        for name, value in (
            ("use_parallel_block", True),
            ("use_gated_activation", True),
            ("rotary_pct", 1.0),
            ("position_embedding_type", "rope_gptj"),
            ("order_of_interleaved_layers", "local_attn_first"),
        ):
            fields.only(name, value)
        found = super().settings(fields)
        layers, period = found["layers"], fields.given("sliding_window_pattern", 4)
        window = fields.take("sliding_window", 4096)
        local = windows(fields, layers, window, lambda n: (n + 1) % period != 0)
        kinds = local.get("window_pattern", "G" * layers)
        turns = kinds.translate(str.maketrans("LG", "RN"))
        return {**found, **local, "rotary_pattern": turns}
