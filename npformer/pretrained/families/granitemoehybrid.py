"""Granite 4 (IBM, 2025) where every layer attends: its Micro, 1B and 350M, of one network a layer.

Those that are called H have Mamba layers, which npformer has not.
"""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.errors import ConfigError
from npformer.pretrained.families.granite import Granite
from npformer.pretrained.families.granitemoe import GraniteMoe
from npformer.pretrained.fields import Fields
from npformer.pretrained.rotation import GLOBAL
from npformer.pretrained.tensors import Entry

ATTENDS = ("attention", GLOBAL)
"""The older name of a layer that attends, and today's."""
MAMBA = (
    *("n_heads", "n_groups", "d_state", "d_head", "d_conv"),
    *("expand", "chunk_size", "conv_bias", "proj_bias"),
)
POSITIONS = {"rope": True, "nope": False, None: False}
"""Whether queries and keys turn."""


class GraniteMoeHybrid(GraniteMoe):
    """Every layer has the network beside the experts, and most models no experts."""

    model_types: ClassVar[tuple[str, ...]] = ("granitemoehybrid",)
    shared: ClassVar[int] = 1024
    ignored_fields: ClassVar = {
        **GraniteMoe.ignored_fields,
        **{f"mamba_{name}": "of layers that there are none of" for name in MAMBA},
        "time_step_limit": "of layers that there are none of",
    }
    quirks: ClassVar = Granite.quirks

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config.

        Raises ConfigError for what npformer has not: Mamba layers, which all are unless said.
        """
        kinds = fields.given("layer_types", fields.given("layers_block_type", ["mamba"]))
        for kind in kinds:
            if kind not in ATTENDS:
                raise ConfigError(
                    f"layer_types has {kind!r}; npformer has {' and '.join(map(repr, ATTENDS))}, "
                    "not Granite 4's layers that keep a state"
                )
        found = super().settings(fields)
        if not found["experts"]:
            found |= {"d_ff": found.pop("shared_d_ff")}
            del found["experts"], found["experts_per_token"]
        if not fields.choose("position_embedding_type", POSITIONS, None):
            found = {name: v for name, v in found.items() if not name.startswith("rotary_")}
            found["positions"] = "none"
        return found

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture, or of the one network in its place."""
        if config.experts is None:
            return self.network(ours, theirs)
        return super().feed_forward(config, ours, theirs)
