"""The residual connection around a sub-layer, with its norm and dropout.

Where the norm is placed (N is the norm, f the sub-layer, d dropout):

    post        y = N(x + d(f(x)))         the paper's (section 3.1 and 5.4)
    pre         y = x + d(f(N(x)))         Xiong et al., 2020, arXiv:2002.04745
    sandwich    y = x + d(N'(f(N(x))))     Gemma 2's: a second norm, of the branch
    branch      y = x + d(N(f(x)))         OLMo 2's: of the branch alone
    none        y = x + d(f(x))            ModernBERT's first: of a stream that is normed already

A ``scale`` multiplies what is added: y = x + scale * d(...), as in Granite.

The sub-layer is handed in with the call, forward and backward, so that a layer reads as the list
of what it does and its parameters keep their own names beside those of the residual.

The sum copies its gradient to both of its terms: that is the skip path, and why depth does not
wear the gradient down. In post-norm every norm lies on that path, elsewhere none does. A norm of
the branch bounds what a sub-layer can add to the stream, however large its weights become.

Chapter     walkthroughs/08_dropout_residuals.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError, nearest
from npformer.nn.dropout import Dropout
from npformer.nn.module import Array, Module
from npformer.nn.norms import make_norm
from npformer.ops.dropout import DropoutCache

PLACEMENTS = ("post", "pre", "sandwich", "branch", "none")


class ResidualCache(NamedTuple):
    norm: Any  # the cache of the norm's op
    sublayer: Any  # the cache of the sub-layer
    dropout: DropoutCache
    norm_after: Any = None  # sandwich only


class Residual(Module):
    """What surrounds a sub-layer; ``norm`` is one of ``PLACEMENTS``, ``norm_type`` of ``NORMS``.

    ``scale`` is the factor of the branch. Raises ConfigError for another placement or norm.
    """

    norm: Any  # None where there is none

    def __init__(
        self,
        d_model: int,
        dropout: float,
        norm: str = "post",
        eps: float = 1e-5,
        *,
        norm_type: str = "layer_norm",
        scale: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if norm not in PLACEMENTS:
            raise ConfigError(
                f"norm is {norm!r}; choose one of {', '.join(PLACEMENTS)}"
                + nearest(norm, PLACEMENTS)
            )
        self.placement = norm
        self.pre_norm = norm in ("pre", "sandwich")
        self.norm = None if norm == "none" else make_norm(norm_type, d_model, eps, dtype=dtype)
        self.norm_after = (
            make_norm(norm_type, d_model, eps, dtype=dtype) if norm == "sandwich" else None
        )
        self.dropout = Dropout(dropout)
        self.scale = scale

    def forward(
        self,
        x: Array,
        sublayer: Callable[[Array], tuple[Array, Any]],
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, ResidualCache]:
        """x (..., D) -> y (..., D), cache; ``sublayer(h)`` gives an array like h, and its cache."""
        norm: Any = None
        norm_after: Any = None
        h = x
        if self.pre_norm:
            h, norm = self.norm.forward(h)
        h, inner = sublayer(h)
        if self.placement == "branch":
            h, norm = self.norm.forward(h)
        if self.norm_after is not None:
            h, norm_after = self.norm_after.forward(h)
        h, dropout = self.dropout.forward(h, rng)
        y = x + self._scaled(h)
        if self.placement == "post":
            y, norm = self.norm.forward(y)
        return y, ResidualCache(norm, inner, dropout, norm_after)

    def backward(
        self, dy: Array, cache: ResidualCache, sublayer_backward: Callable[[Array, Any], Any]
    ) -> Any:
        """dy (..., D) -> dx (..., D), and after it whatever else the sub-layer's backward returns.

        ``sublayer_backward(dh, cache)`` gives the gradient of the sub-layer's input, or a tuple
        that begins with it.
        """
        dsum = self.norm.backward(dy, cache.norm) if self.placement == "post" else dy
        dh = self.dropout.backward(self._scaled(dsum), cache.dropout)
        if self.norm_after is not None:
            dh = self.norm_after.backward(dh, cache.norm_after)
        if self.placement == "branch":
            dh = self.norm.backward(dh, cache.norm)
        dh = sublayer_backward(dh, cache.sublayer)
        dh, *others = dh if isinstance(dh, tuple) else (dh,)
        if self.pre_norm:
            dh = self.norm.backward(dh, cache.norm)
        dx = dsum + dh
        return (dx, *others) if others else dx

    def _scaled(self, h: Array) -> Array:
        """The branch (..., D), or the gradient of the sum that it gets, times its factor."""
        return h if self.scale == 1 else h * self.scale
