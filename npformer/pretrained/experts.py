"""What families with mixtures of experts have in common: one file tensor for each expert's matrix.

Chapter     walkthroughs/24_a_model_from_elsewhere.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npformer.errors import ConfigError
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


def check_every_layer(fields: Fields) -> None:
    """Raise ConfigError for a model of Qwen's of which some layers have no mixture."""
    step, dense = fields.take("decoder_sparse_step", 1), fields.given("mlp_only_layers", [])
    if step != 1 or dense:
        raise ConfigError(
            f"decoder_sparse_step is {step} and mlp_only_layers is {dense}; npformer has "
            "models whose every layer has experts, 1 and none"
        )


def gated_settings(fields: Fields, experts: int, per_token: int, width: int) -> dict[str, Any]:
    """The settings of mixtures beside which there is a network with a gate, by Qwen's names.

    Raises ConfigError as ``check_every_layer``.
    """
    check_every_layer(fields)
    return {
        **expert_settings(fields, fields.take("num_experts", experts), per_token),
        "expert_d_ff": fields.take("moe_intermediate_size", width),
        "shared_d_ff": fields.take("shared_expert_intermediate_size", width),
        "shared_gate": True,
    }


def gated_entries(config: Any, ours: str, theirs: str) -> list[Entry]:
    """The table of such a mixture."""
    return [
        *expert_entries(config, ours, theirs),
        whole(f"{ours}.shared_gate.weight", f"{theirs}.shared_expert_gate.weight"),
        *(
            whole(f"{ours}.shared.{name}.weight", f"{theirs}.shared_expert.{name}.weight")
            for name in SAME
        ),
    ]


def expert_entries(
    config: Any, ours: str, theirs: str, names: Mapping[str, str] = SAME
) -> list[Entry]:
    """The table of a layer's mixture; ``names`` are of our three projections in an expert."""
    table = [whole(f"{ours}.router.weight", f"{theirs}.gate.weight")]
    for own, their in names.items():
        each = [f"{theirs}.experts.{e}.{their}.weight" for e in range(config.experts)]
        table.append(stacked(f"{ours}.experts.{own}.weight", each))
    return table
