r"""What a layer does with its row of the per-layer embeddings (Gemma 3n, Google, 2025).

Shapes      x, y : (..., D)    row, gate : (..., P)

Forward     gate = x gate_proj^T
            y    = (activation(gate) * row) up_proj^T

Backward    As in a gated feed-forward network of width P whose second factor is given:

                dgate, drow = that of the product, from dh = dy up_proj
                dx          = dgate gate_proj

Reading     The stream decides how much of each column of the row it takes. Where the gate is shut
            the row gets no gradient, and where a row is 0 the gate gets none.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.gated_activation import GatedActivation
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module
from npformer.ops.linear import LinearCache


class PerLayerGateCache(NamedTuple):
    gate_proj: LinearCache
    activation: Any  # the cache of the activation's op
    up_proj: LinearCache


class PerLayerGate(Module):
    """up_proj(activation(gate_proj(x), row)), for rows of ``size`` columns.

    Raises ConfigError for an activation that is not gated, or a size below 1.
    """

    def __init__(
        self,
        d_model: int,
        size: int,
        activation: str = "geglu_tanh",
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.gate_proj = Linear(d_model, size, bias=False, rng=rng, dtype=dtype)
        self.activation = GatedActivation(activation)
        self.up_proj = Linear(size, d_model, bias=False, rng=rng, dtype=dtype)

    def forward(self, x: Array, row: Array) -> tuple[Array, PerLayerGateCache]:
        """x (..., D), row (..., P) -> y (..., D), cache."""
        gate, gate_proj = self.gate_proj.forward(x)  # (..., P)
        h, activation = self.activation.forward(gate, row)
        y, up_proj = self.up_proj.forward(h)
        return y, PerLayerGateCache(gate_proj, activation, up_proj)

    def backward(self, dy: Array, cache: PerLayerGateCache) -> tuple[Array, Array]:
        """dy (..., D) -> dx (..., D), drow (..., P)."""
        dh = self.up_proj.backward(dy, cache.up_proj)  # (..., P)
        dgate, drow = self.activation.backward(dh, cache.activation)
        return self.gate_proj.backward(dgate, cache.gate_proj), drow
