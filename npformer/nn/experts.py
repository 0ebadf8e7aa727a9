"""Experts: feed-forward networks side by side, each for the rows that are sent to it.

Chapter     walkthroughs/25_choosing_experts.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.activation import ACTIVATIONS, Activation
from npformer.nn.gated_activation import GATED_ACTIVATIONS, GatedActivation
from npformer.nn.grouped_linear import GroupedLinear
from npformer.nn.module import Array, Module
from npformer.ops.checks import check_choice
from npformer.ops.grouped_linear import GroupedLinearCache


class ExpertsCache(NamedTuple):
    gate_proj: GroupedLinearCache | None  # None without a gate
    up_proj: GroupedLinearCache
    activation: Any  # the cache of the activation's op
    down_proj: GroupedLinearCache


class Experts(Module):
    """down_proj(activation(gate_proj(x), up_proj(x))) of each row's expert.

    An activation without a gate is of up_proj(x) alone. Raises ConfigError for an activation that
    is neither in ``ACTIVATIONS`` nor in ``GATED_ACTIVATIONS``, or a size below 1.
    """

    def __init__(
        self,
        experts: int,
        d_model: int,
        d_ff: int,
        activation: str = "swiglu",
        *,
        bias: bool = False,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_choice("activation", activation, (*ACTIVATIONS, *GATED_ACTIVATIONS))
        gated = activation in GATED_ACTIVATIONS

        def grouped(inputs: int, outputs: int) -> GroupedLinear:
            return GroupedLinear(experts, inputs, outputs, bias, rng=rng, dtype=dtype)

        self.gate_proj = grouped(d_model, d_ff) if gated else None
        self.up_proj = grouped(d_model, d_ff)
        self.activation: Any = GatedActivation(activation) if gated else Activation(activation)
        self.down_proj = grouped(d_ff, d_model)

    def forward(self, x: Array, group_sizes: Array) -> tuple[Array, ExpertsCache]:
        """x (P, D), group_sizes[e] rows of expert e, sorted by e -> y (P, D), cache."""
        up, up_proj = self.up_proj.forward(x, group_sizes)  # (P, F)
        gate_proj = None
        if self.gate_proj is None:
            h, activation = self.activation.forward(up)
        else:
            gate, gate_proj = self.gate_proj.forward(x, group_sizes)  # (P, F)
            h, activation = self.activation.forward(gate, up)
        y, down_proj = self.down_proj.forward(h, group_sizes)
        return y, ExpertsCache(gate_proj, up_proj, activation, down_proj)

    def backward(self, dy: Array, cache: ExpertsCache) -> Array:
        """dy (P, D) -> dx (P, D)."""
        dh = self.down_proj.backward(dy, cache.down_proj)  # (P, F)
        if self.gate_proj is None or cache.gate_proj is None:
            return self.up_proj.backward(
                self.activation.backward(dh, cache.activation), cache.up_proj
            )
        dgate, dup = self.activation.backward(dh, cache.activation)
        dx = self.up_proj.backward(dup, cache.up_proj)
        return dx + self.gate_proj.backward(dgate, cache.gate_proj)
