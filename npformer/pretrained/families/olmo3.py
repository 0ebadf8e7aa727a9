"""OLMo 3 (OLMo Team, 2025): OLMo 2 with three local layers to a global one."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.olmo2 import Olmo2
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import rotation
from npformer.pretrained.windows import windows


class Olmo3(Olmo2):
    """The rotation of global layers alone is stretched."""

    model_types: ClassVar[tuple[str, ...]] = ("olmo3",)
    theta = 500_000.0
    quirks: ClassVar = {
        **Olmo2.quirks,
        "window of one key more": quirks.WINDOW_LONGER,
        "every layer local": quirks.ALL_LOCAL,
        "stretched in local layers too": quirks.STRETCHED_LOCALLY,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        found = super().settings(fields)
        window = fields.take("sliding_window", 4096)
        return found | windows(fields, found["layers"], window, lambda n: (n + 1) % 4 != 0)

    def rotation(self, fields: Fields) -> dict[str, Any]:
        """The settings of rotary positions."""
        return rotation(fields, self.theta, self.theta)
