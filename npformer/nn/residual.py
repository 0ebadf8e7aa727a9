"""The residual connection around a sub-layer, with its layer norm and dropout.

Post-norm, the paper's (section 3.1 and 5.4):      y = norm(x + dropout(sublayer(x)))
Pre-norm (Xiong et al., 2020):                     y = x + dropout(sublayer(norm(x)))

The sub-layer is handed in with the call, forward and backward, so that a layer reads as the list
of what it does and its parameters keep their own names beside those of the residual.

The sum copies its gradient to both of its terms: that is the skip path, and why depth does not
wear the gradient down. In post-norm every norm lies on that path, in pre-norm none does.

Chapter     walkthroughs/08_dropout_residuals.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.dropout import Dropout
from npformer.nn.layer_norm import LayerNorm
from npformer.nn.module import Array, Module
from npformer.ops.dropout import DropoutCache
from npformer.ops.layer_norm import LayerNormCache


class ResidualCache(NamedTuple):
    norm: LayerNormCache
    sublayer: Any  # the cache of the sub-layer
    dropout: DropoutCache


class Residual(Module):
    """What surrounds a sub-layer; ``norm`` is ``"post"`` or ``"pre"``.

    Raises ConfigError for another.
    """

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

    def forward(
        self,
        x: Array,
        sublayer: Callable[[Array], tuple[Array, Any]],
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, ResidualCache]:
        """x (..., D) -> y (..., D), cache; ``sublayer(h)`` gives an array like h, and its cache."""
        if self.pre_norm:
            h, norm = self.norm.forward(x)
            h, inner = sublayer(h)
            h, dropout = self.dropout.forward(h, rng)
            y = x + h
        else:
            h, inner = sublayer(x)
            h, dropout = self.dropout.forward(h, rng)
            y, norm = self.norm.forward(x + h)
        return y, ResidualCache(norm, inner, dropout)

    def backward(
        self, dy: Array, cache: ResidualCache, sublayer_backward: Callable[[Array, Any], Any]
    ) -> Any:
        """dy (..., D) -> dx (..., D), and after it whatever else the sub-layer's backward returns.

        ``sublayer_backward(dh, cache)`` gives the gradient of the sub-layer's input, or a tuple
        that begins with it.
        """
        dsum = dy if self.pre_norm else self.norm.backward(dy, cache.norm)
        dh = self.dropout.backward(dsum, cache.dropout)
        dh = sublayer_backward(dh, cache.sublayer)
        dh, *others = dh if isinstance(dh, tuple) else (dh,)
        if self.pre_norm:
            dh = self.norm.backward(dh, cache.norm)
        dx = dsum + dh
        return (dx, *others) if others else dx
