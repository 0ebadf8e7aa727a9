"""The settings of mixtures of experts, for families whose layers may have one.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from npformer.errors import ConfigError
from npformer.fields import check
from npformer.models.attention_config import AttentionConfig
from npformer.ops.routing import check_choice_of


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(AttentionConfig):
    """How a token chooses among networks; without ``experts`` each layer has one network.

    Raises ConfigError for settings that do not go together.
    """

    experts: int | None = None
    """Feed-forward networks of each layer among which each token chooses; one for all tokens if
    None."""
    expert_d_ff: int | None = None
    """Width of an expert's hidden layer; d_ff unless given."""
    dense_first: int = 0
    """How many layers at the start have one network of width d_ff, and no experts."""
    experts_per_token: int = 2
    """Experts that a token chooses."""
    expert_scoring: Literal["softmax", "sigmoid", "sqrt_softplus"] = "softmax"
    """What an expert's score is before it is a weight."""
    normalize_expert_weights: bool = True
    """Divide the weights of the chosen experts by their sum."""
    expert_router_bias: bool = False
    """Whether scores have a bias, which is trained as the router's matrix is."""
    expert_scale: float = 1.0
    """Factor of the weights."""
    shared_d_ff: int | None = None
    """Width of a network that every token has besides; none unless given."""
    shared_gate: bool = False
    """Whether a token has a share of that network, by a sigmoid of its own."""
    expert_groups: int = 1
    """Groups of experts, side by side, of which a token keeps the best before it chooses."""
    kept_expert_groups: int | None = None
    """How many groups it keeps; all unless given."""
    expert_bias_rate: float | None = None
    """Have a bias of the choice that moves by so much after each step, up for an expert with fewer
    tokens than the mean; no such bias unless given."""
    expert_capacity: float | None = None
    """In training, an expert takes so many times its even share of a text's choices, in the order
    of the tokens, and the others pass it by; all are taken unless given, and always in use."""
    expert_balance_loss: float = 0.0
    """What a loss counts, beside a token's, that is least where all experts have as many tokens."""
    expert_z_loss: float = 0.0
    """What the squared log of the scores' softmax denominator counts beside a token's loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.experts is None or self.weight_bits is None,
            "weight_bits is of linear layers, and the matrices of experts are none; leave one out",
        )
        if self.experts is None:
            own = {f.name: f.default for f in dataclasses.fields(ExpertConfig)}
            for field in dataclasses.fields(AttentionConfig):
                own.pop(field.name)
            changed = [name for name in own if getattr(self, name) != own[name]]
            check(
                not changed,
                f"{', '.join(changed)} is for experts, and there are none; give experts, the "
                "networks of each layer",
            )
            return
        try:
            check_choice_of(
                self.experts, self.experts_per_token, self.expert_groups, self.kept_expert_groups
            )
        except ConfigError as error:
            raise ConfigError(
                "experts, experts_per_token, expert_groups and kept_expert_groups do not go "
                f"together: {error}"
            ) from None
        for name in ("expert_d_ff", "shared_d_ff"):
            size = getattr(self, name)
            check(
                size is None or size >= 1, f"{name} is {size}; it must be 1 or more, or not given"
            )
        check(
            not self.shared_gate or self.shared_d_ff is not None,
            "shared_gate is that of a shared network, and there is none; give shared_d_ff",
        )
        check(
            0 <= self.dense_first < max(self.depths),
            f"dense_first is {self.dense_first} of {max(self.depths)} layers; the last one at "
            "least has experts, or leave experts out",
        )
        room = self.expert_capacity
        check(room is None or room > 0, f"expert_capacity is {room}; it must be > 0, or not given")
        check(self.expert_scale > 0, f"expert_scale is {self.expert_scale}; it must be > 0")
        for name in ("expert_balance_loss", "expert_z_loss", "expert_bias_rate"):
            value = getattr(self, name)
            check(value is None or value >= 0, f"{name} is {value}; it must be 0 or more")

    @property
    def idle(self) -> str:
        """A router that learns nothing: the share of one expert is 1, whatever its score."""
        one = self.experts is not None and self.experts > self.experts_per_token == 1
        if one and self.normalize_expert_weights:
            return (
                "experts_per_token is 1 and normalize_expert_weights divides that one weight by "
                "itself, so that the router's gradient is 0: give "
                "--model.no-normalize-expert-weights, or more experts per token"
            )
        return super().idle

    @property
    def alike(self) -> bool:
        """Not where the first layers have no experts."""
        return not self.dense_first

    @property
    def auxiliary(self) -> bool:
        """Whether a training has losses beside the tokens', or counts or drops experts' tokens."""
        losses = self.expert_balance_loss or self.expert_z_loss or self.expert_bias_rate
        return self.experts is not None and bool(losses or self.expert_capacity)

    def stack_settings(self, layers: int) -> dict[str, Any]:
        """As of a stack without experts; ``experts`` are the settings of each layer's mixture."""
        settings = super().stack_settings(layers)
        if self.experts is not None:
            mixture = {
                "d_ff": self.expert_d_ff or self.d_ff,
                "experts": self.experts,
                "experts_per_token": self.experts_per_token,
                "scoring": self.expert_scoring,
                "normalize": self.normalize_expert_weights,
                "scale": self.expert_scale,
                "router_bias": self.expert_router_bias,
                "shared_d_ff": self.shared_d_ff,
                "shared_gate": self.shared_gate,
                "groups": self.expert_groups,
                "kept_groups": self.kept_expert_groups,
                "balance_bias": self.expert_bias_rate is not None,
                "capacity": self.expert_capacity,
                "balance_loss": self.expert_balance_loss,
                "z_loss": self.expert_z_loss,
            }
            dense = self.dense_first
            settings["experts"] = [None if layer < dense else mixture for layer in range(layers)]
        return settings
