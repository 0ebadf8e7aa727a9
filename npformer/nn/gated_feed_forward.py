"""The gated feed-forward network (Shazeer, 2020, arXiv:2002.05202), as in Llama.

Chapter     walkthroughs/18_gates.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.gated_activation import GatedActivation
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module
from npformer.nn.side_by_side import forward_side_by_side, lay_side_by_side
from npformer.ops.linear import LinearCache


class GatedFeedForwardCache(NamedTuple):
    gate_proj: LinearCache
    up_proj: LinearCache
    activation: Any  # the cache of the activation's op
    down_proj: LinearCache


class GatedFeedForward(Module):
    """down_proj(activation(gate_proj(x), up_proj(x))), the same at every position.

    Raises ConfigError for an activation that does not exist or a size below 1.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        activation: str = "swiglu",
        *,
        bias: bool = True,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.gate_proj = Linear(d_model, d_ff, bias, rng=rng, dtype=dtype)
        self.up_proj = Linear(d_model, d_ff, bias, rng=rng, dtype=dtype)
        self.activation = GatedActivation(activation)
        self.down_proj = Linear(d_ff, d_model, bias, rng=rng, dtype=dtype)
        self._joint: Array | None = None

    def forward(self, x: Array) -> tuple[Array, GatedFeedForwardCache]:
        """x (..., D) -> y (..., D), cache."""
        (gate, gate_proj), (up, up_proj) = forward_side_by_side(
            x, self._joint, self.gate_proj, self.up_proj
        )  # (..., F)
        h, activation = self.activation.forward(gate, up)
        y, down_proj = self.down_proj.forward(h)
        return y, GatedFeedForwardCache(gate_proj, up_proj, activation, down_proj)

    def lay_side_by_side(self) -> None:
        """What reads x lies in one array from now on (``side_by_side.py``)."""
        self._joint = lay_side_by_side(self.gate_proj, self.up_proj)

    def backward(self, dy: Array, cache: GatedFeedForwardCache) -> Array:
        """dy (..., D) -> dx (..., D): x is read twice, and gets the sum."""
        dh = self.down_proj.backward(dy, cache.down_proj)  # (..., F)
        dgate, dup = self.activation.backward(dh, cache.activation)
        return self.gate_proj.backward(dgate, cache.gate_proj) + self.up_proj.backward(
            dup, cache.up_proj
        )
