"""The residual of several streams around a sub-layer: hyper-connections (Zhu et al., 2024).

    h = f(N(read . streams))        one vector, as wide as a stream
    streams' = M streams + write h  with the mixing matrix M

M is a parameter, or doubly stochastic, made of logits by Sinkhorn's normalisation (mHC, Xie et al.,
2025, arXiv:2512.24880). Weights are static: the same for every token. At the beginning each
sub-layer reads one stream, writes to all alike, and M is the identity, or nearly. As streams begin
as copies, the model then is the one with a single stream, and which is read is all that tells them
apart.

Chapter     walkthroughs/28_streams.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.dropout import Dropout
from npformer.nn.init import constant
from npformer.nn.module import Array, Module, Parameter, require_positive
from npformer.nn.norms import make_norm
from npformer.ops.dropout import DropoutCache
from npformer.ops.read_streams import (
    ReadStreamsCache,
    read_streams_backward,
    read_streams_forward,
)
from npformer.ops.sinkhorn import SinkhornCache, sinkhorn_backward, sinkhorn_forward
from npformer.ops.write_streams import (
    WriteStreamsCache,
    write_streams_backward,
    write_streams_forward,
)

MIXINGS = ("free", "sinkhorn")
LOGIT = 8.0
"""Of the diagonal of a mixing matrix at the beginning; the others are 0."""


class StreamResidualCache(NamedTuple):
    read: ReadStreamsCache
    norm: Any  # the cache of the norm's op
    sublayer: Any  # the cache of the sub-layer
    dropout: DropoutCache
    write: WriteStreamsCache
    sinkhorn: SinkhornCache | None


class StreamResidual(Module):
    """What surrounds a sub-layer where the residual has ``streams``; ``mixing`` is of ``MIXINGS``.

    ``read`` (J,), ``write`` (J,) and ``mix`` (J J,), flat, so that what is drawn or stepped as a
    matrix leaves it alone. At the beginning stream ``first``, modulo J, is read. ``scale`` is the
    factor of the branch. Raises ConfigError for no stream and for another mixing.
    """

    def __init__(
        self,
        d_model: int,
        dropout: float,
        streams: int,
        eps: float = 1e-5,
        *,
        mixing: str = "free",
        first: int = 0,
        norm_type: str = "layer_norm",
        scale: float = 1.0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(streams=streams)
        if mixing not in MIXINGS:
            raise ConfigError(f"mixing is {mixing!r}; choose one of {', '.join(MIXINGS)}")
        self.streams, self.mixing, self.scale = streams, mixing, scale
        self.read = Parameter(np.eye(streams, dtype=dtype)[first % streams].copy())
        self.write = constant(1.0, streams, dtype)
        top = LOGIT if mixing == "sinkhorn" else 1.0
        self.mix = Parameter((top * np.eye(streams, dtype=dtype)).reshape(-1))
        self.norm = make_norm(norm_type, d_model, eps, dtype=dtype)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Array,
        sublayer: Callable[[Array], tuple[Array, Any]],
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, StreamResidualCache]:
        """x (..., J, D) -> y (..., J, D), cache; ``sublayer(h)`` gives an array like h (..., D),
        and its cache."""
        mix, of_mix = self.mix.data.reshape(self.streams, self.streams), None
        if self.mixing == "sinkhorn":
            mix, of_mix = sinkhorn_forward(mix)
        h, read = read_streams_forward(x, self.read.data)
        h, norm = self.norm.forward(h)
        h, inner = sublayer(h)
        h, dropout = self.dropout.forward(h, rng)
        y, write = write_streams_forward(x, self._scaled(h), mix, self.write.data)
        return y, StreamResidualCache(read, norm, inner, dropout, write, of_mix)

    def backward(
        self,
        dy: Array,
        cache: StreamResidualCache,
        sublayer_backward: Callable[[Array, Any], Any],
    ) -> Any:
        """dy (..., J, D) -> dx (..., J, D), and after it whatever else the sub-layer's backward
        returns, as in ``Residual``."""
        dx, dh, dmix, dwrite = write_streams_backward(dy, cache.write)
        if cache.sinkhorn is not None:
            dmix = sinkhorn_backward(dmix, cache.sinkhorn)
        self.mix.accumulate(dmix.reshape(-1))
        self.write.accumulate(dwrite)
        dh = self.dropout.backward(self._scaled(dh), cache.dropout)
        dh = sublayer_backward(dh, cache.sublayer)
        dh, *others = dh if isinstance(dh, tuple) else (dh,)
        dh = self.norm.backward(dh, cache.norm)
        dstreams, dread = read_streams_backward(dh, cache.read)
        self.read.accumulate(dread)
        dx = dx + dstreams
        return (dx, *others) if others else dx

    def _scaled(self, h: Array) -> Array:
        """The branch (..., D), or the gradient that it gets, times its factor."""
        return h if self.scale == 1 else h * self.scale
