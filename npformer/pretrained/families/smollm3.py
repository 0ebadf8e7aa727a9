"""SmolLM3 (Hugging Face, 2025): Llama, every fourth layer of which has no positions."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.windows import windows


class SmolLM3(Llama):
    """``no_rope_layers`` is 1 for a layer that turns, its name notwithstanding."""

    model_types: ClassVar[tuple[str, ...]] = ("smollm3",)
    kv_heads: ClassVar[int | None] = 4
    theta = 2_000_000.0
    padding_id: ClassVar[int | None] = 128004
    tie = True
    ignored_fields: ClassVar = {
        **Llama.ignored_fields,
        "max_window_layers": "the library does not read it; no_rope_layers says which are local",
    }
    quirks: ClassVar = {
        **Llama.quirks,
        "every layer turns": quirks.ALL_TURN,
        "the others turn": quirks.OTHERS_TURN,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        found = super().settings(fields)
        layers, interval = found["layers"], fields.take("no_rope_layer_interval", 4)
        turns = fields.given(
            "no_rope_layers", [int((n + 1) % interval != 0) for n in range(layers)]
        )
        if not isinstance(turns, list) or len(turns) != layers:
            raise ConfigError(f"no_rope_layers is {turns!r}; it must have {layers} numbers")
        window = fields.take("sliding_window", None)
        if not fields.take("use_sliding_window", False):
            window = None
        return {
            **found,
            "rotary_pattern": "".join("R" if each else "N" for each in turns),
            **windows(fields, layers, window, lambda n: window is not None and not turns[n]),
        }
