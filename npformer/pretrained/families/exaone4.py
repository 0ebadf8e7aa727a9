"""EXAONE 4 (LG AI Research, 2025, arXiv:2507.11407): branches end in norms, layers may be local."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.families.olmo2 import Olmo2
from npformer.pretrained.fields import Fields
from npformer.pretrained.windows import windows


class Exaone4(Llama):
    """Global layers have no positions where others are local; heads are normed one by one."""

    model_types: ClassVar[tuple[str, ...]] = ("exaone4",)
    kv_heads: ClassVar[int | None] = 32
    eps: ClassVar[float] = 1e-5
    norms: ClassVar = Olmo2.norms
    quirks: ClassVar = {
        **Olmo2.quirks,
        "every layer turns": quirks.ALL_TURN,
        "the others turn": quirks.OTHERS_TURN,
        "window of one key more": quirks.WINDOW_LONGER,
        "every layer local": quirks.ALL_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: a pattern of letters without ``layer_types``,
        which the library does not read either.
        """
        found = super().settings(fields)
        window, period = (
            fields.take("sliding_window", 4096),
            fields.take("sliding_window_pattern", 4),
        )
        if isinstance(period, str) and not fields.has("layer_types"):
            raise ConfigError(
                f"sliding_window_pattern is {period!r}; npformer reads a number, or layer_types"
            )
        local = windows(
            fields, found["layers"], window, lambda n: bool(period) and (n + 1) % period != 0
        )
        if window is not None:
            kinds = local.get("window_pattern", "G" * found["layers"])
            found["rotary_pattern"] = kinds.translate(str.maketrans("LG", "RN"))
        return {**found, **local, "norm": "branch", "qk_norm": "head"}
