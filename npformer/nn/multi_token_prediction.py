r"""Multi-token prediction: a layer that looks one token further than what it reads.

    h' = stack(norm(h) A^T + norm(e) B^T)                  [A, B] = proj.weight, (D, 2 D)

h_t is what the next token is predicted from, e_t the embedding of that token, and h'_t what the
one behind it is predicted from, by the same output matrix (DeepSeek-V3, arXiv:2412.19437, section
2.2). A second such module reads h' and the embedding one further on, so each knows all tokens
before the one it is asked for: none is predicted blindly. They are there for training alone.

Chapter     walkthroughs/22_decoder_only.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.nn.linear import Linear
from npformer.nn.mixture_of_experts import Auxiliary
from npformer.nn.module import Array, Module
from npformer.nn.norms import make_norm
from npformer.nn.stack import Stack, StackCache
from npformer.ops.linear import LinearCache


class MultiTokenPredictionCache(NamedTuple):
    state_norm: Any  # of the norm's op
    token_norm: Any
    proj: LinearCache
    stack: StackCache

    @property
    def auxiliary(self) -> Auxiliary | None:
        """What the layer's experts add to the loss, where it was asked for."""
        return self.stack.auxiliary


class MultiTokenPrediction(Module):
    """Two norms, the matrix that joins what they give, and a causal ``Stack`` of one layer.

    ``settings`` are those of the stack. Raises ConfigError as it does.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_ff: int,
        *,
        eps: float = 1e-5,
        norm_type: str = "layer_norm",
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        **settings: Any,
    ) -> None:
        norms: dict[str, Any] = {"eps": eps, "norm_type": norm_type}
        self.state_norm = make_norm(norm_type, d_model, eps, dtype=dtype)
        self.token_norm = make_norm(norm_type, d_model, eps, dtype=dtype)
        self.proj = Linear(2 * d_model, d_model, bias=False, rng=rng, dtype=dtype)
        self.stack = Stack(
            1, d_model, heads, d_ff, causal=True, **norms, **settings, rng=rng, dtype=dtype
        )

    def forward(
        self,
        h: Array,
        e: Array,
        mask: Array | None = None,
        rng: np.random.Generator | None = None,
        at: int | Array | None = None,
        texts: Array | None = None,
    ) -> tuple[Array, MultiTokenPredictionCache]:
        """h (B, T, D), e (B, T, D) -> h' (B, T, D), cache; the others as ``Layer.forward``'s."""
        h, state_norm = self.state_norm.forward(h)
        e, token_norm = self.token_norm.forward(e)
        x, proj = self.proj.forward(np.concatenate([h, e], axis=-1))
        y, stack = self.stack.forward(x, mask=mask, rng=rng, at=at, texts=texts)
        return y, MultiTokenPredictionCache(state_norm, token_norm, proj, stack)

    def backward(self, dy: Array, cache: MultiTokenPredictionCache) -> tuple[Array, Array]:
        """dh' (B, T, D) -> dh, de (B, T, D)."""
        dx = self.proj.backward(self.stack.backward(dy, cache.stack), cache.proj)  # (B, T, 2 D)
        dh, de = np.split(dx, 2, axis=-1)
        return (
            self.state_norm.backward(dh, cache.state_norm),
            self.token_norm.backward(de, cache.token_norm),
        )
