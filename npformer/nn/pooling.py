"""One vector for a text: a mean over its tokens, or its first one, at length 1.

Of the kinds, ``mean`` is Sentence-BERT's (Reimers & Gurevych, 2019, arXiv:1908.10084), ``cls`` the
first token alone, and ``pooler`` BERT's own (Devlin et al., 2019, arXiv:1810.04805): the first
token, through a dense layer and tanh.

Chapter     walkthroughs/15_norms_without_a_mean.md
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module
from npformer.ops.checks import check_choice
from npformer.ops.l2_norm import L2NormCache, l2_norm_backward, l2_norm_forward
from npformer.ops.linear import LinearCache
from npformer.ops.mean_pool import MeanPoolCache, mean_pool_backward, mean_pool_forward
from npformer.ops.softcap import SoftcapCache, softcap_backward, softcap_forward

POOLINGS = ("mean", "cls", "pooler")
"""The kinds that ``Pooling`` knows."""


class PoolingCache(NamedTuple):
    mean: MeanPoolCache  # of the tokens, or of the first one alone
    dense: LinearCache | None  # pooler alone
    tanh: SoftcapCache | None
    norm: L2NormCache | None


class Pooling(Module):
    """A text's tokens to one vector; ``kind`` is one of ``POOLINGS``.

    With ``normalize`` the vector has length 1, so that products are cosines. Raises ConfigError for
    another kind.
    """

    def __init__(
        self,
        d_model: int,
        kind: str = "mean",
        normalize: bool = True,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check_choice("pooling", kind, POOLINGS)
        self.kind = kind
        self.normalize = normalize
        pooler = kind == "pooler"
        self.dense = Linear(d_model, d_model, rng=rng, dtype=dtype) if pooler else None

    def forward(self, x: Array, mask: Array | None = None) -> tuple[Array, PoolingCache]:
        """x (B, T, D), mask (B, T), True = a token -> y (B, D), cache.

        Raises ShapeError for a mask that is not boolean, or of another shape.
        """
        if self.kind != "mean":
            mask = first_token(np.ones(x.shape[:2], bool) if mask is None else mask)
        y, mean = mean_pool_forward(x, mask)
        dense = tanh = norm = None
        if self.dense is not None:
            y, dense = self.dense.forward(y)
            y, tanh = softcap_forward(y, cap=1.0)
        if self.normalize:
            y, norm = l2_norm_forward(y)
        return y, PoolingCache(mean, dense, tanh, norm)

    def backward(self, dy: Array, cache: PoolingCache) -> Array:
        """dy (B, D) -> dx (B, T, D)."""
        if cache.norm is not None:
            dy = l2_norm_backward(dy, cache.norm)
        if self.dense is not None and cache.dense is not None and cache.tanh is not None:
            dy = softcap_backward(dy, cache.tanh)
            dy = self.dense.backward(dy, cache.dense)
        return mean_pool_backward(dy, cache.mean)


def first_token(mask: Array) -> Array:
    """mask (B, T) -> (B, T): of the tokens of each row, the first one alone."""
    return mask & (mask.cumsum(axis=1) == 1)
