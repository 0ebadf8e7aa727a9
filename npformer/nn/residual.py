"""The residual connection around a sub-layer, with its layer norm and dropout.

Post-norm, the paper's (section 3.1 and 5.4):      y = norm(x + dropout(sublayer(x)))
Pre-norm (Xiong et al., 2020):                     y = x + dropout(sublayer(norm(x)))

The sub-layer itself stands between the two halves, ``enter`` and ``leave``, in the layer's own
code, so that a layer reads as the list of what it does:

    h, enter_cache = residual.enter(x)            dx, dh = residual.leave_backward(dy, leave_cache)
    h, cache = sublayer.forward(h)                dh = sublayer.backward(dh, cache)
    y, leave_cache = residual.leave(x, h, rng)    dx = dx + residual.enter_backward(dh, enter_cache)

The sum copies its gradient to both of its terms: that is the skip path, and why depth does not
wear the gradient down. In post-norm every norm stands on that path, in pre-norm none does.

Chapter     walkthroughs/08_dropout_residuals.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.dropout import Dropout
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.module import Array, Module
from npformer.ops.dropout import DropoutCache
from npformer.ops.layer_norm import LayerNormCache


class LeaveCache(NamedTuple):
    dropout: DropoutCache
    norm: LayerNormCache | None  # post-norm only


class Residual(Module):
    """What surrounds a sub-layer; ``norm`` is ``"post"`` or ``"pre"``, else ConfigError."""

    def __init__(
        self,
        d_model: int,
        dropout: float,
        norm: str = "post",
        eps: float = 1e-5,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if norm not in ("post", "pre"):
            raise ConfigError(f"norm is {norm!r}; choose one of post, pre")
        self.pre_norm = norm == "pre"
        self.norm = LayerNorm(d_model, eps, dtype=dtype)
        self.dropout = Dropout(dropout)

    def enter(self, x: Array) -> tuple[Array, LayerNormCache | None]:
        """x (..., D) -> h (..., D), what the sub-layer reads, cache."""
        return self.norm.forward(x) if self.pre_norm else (x, None)

    def enter_backward(self, dh: Array, cache: LayerNormCache | None) -> Array:
        """dh (..., D) -> dx (..., D), the branch's share."""
        return dh if cache is None else self.norm.backward(dh, cache)

    def leave(
        self, x: Array, h: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, LeaveCache]:
        """x (..., D) and the sub-layer's output h (..., D) -> y (..., D), cache."""
        h, dropout = self.dropout.forward(h, rng)
        y = x + h
        if self.pre_norm:
            return y, LeaveCache(dropout, None)
        y, norm = self.norm.forward(y)
        return y, LeaveCache(dropout, norm)

    def leave_backward(self, dy: Array, cache: LeaveCache) -> tuple[Array, Array]:
        """dy (..., D) -> dx (..., D), the skip path's share, and dh (..., D)."""
        if cache.norm is not None:
            dy = self.norm.backward(dy, cache.norm)
        return dy, self.dropout.backward(dy, cache.dropout)
