"""What families with mixtures of experts have in common: one file tensor for each expert's matrix.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, stacked, whole

IGNORED = {
    "output_router_logits": "of the library's outputs",
    "router_aux_loss_coef": "of the library's balance loss, which is one of all layers together",
    "router_jitter_noise": "in training alone",
}
"""Fields that are passed over, each with the reason."""
SAME = {name: name for name in ("gate_proj", "up_proj", "down_proj")}
"""What most families call the projections of an expert: as we do."""


def expert_settings(fields: Fields, experts: int, per_token: int) -> dict[str, Any]:
    """The settings of a mixture by the field that all call alike, with a config's default."""
    return {
        "experts": experts,
        "experts_per_token": fields.take("num_experts_per_tok", per_token),
    }


def expert_entries(
    config: Any, ours: str, theirs: str, names: Mapping[str, str] = SAME
) -> list[Entry]:
    """The table of a layer's mixture; ``names`` are of our three projections in an expert."""
    table = [whole(f"{ours}.router.weight", f"{theirs}.gate.weight")]
    for own, their in names.items():
        each = [f"{theirs}.experts.{e}.{their}.weight" for e in range(config.experts)]
        table.append(stacked(f"{ours}.experts.{own}.weight", each))
    return table
