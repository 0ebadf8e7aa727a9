"""Multi-head latent attention (DeepSeek-AI, 2024, arXiv:2405.04434, section 2.1).

Keys and values of all heads are made of one narrow latent of each token, and a short key that all
heads share carries the position. Decoding keeps these two alone.

    latent   = norm(x kv_down^T)                       (B, S, L)
    q        = norm(x q_down^T) q_proj^T               or x q_proj^T, without a latent of its own
    k        = [latent k_up^T, turned(x k_shared^T)]   the second part is every head's
    v        = latent v_up^T
    y        = attention(q, k, v) out_proj^T           the last columns of q are turned too

The form above is that of training. A score is q_h . (k_up_h latent), which is also
(k_up_h^T q_h) . latent: all heads may look at the same narrow rows, of which the values are a part,
and v_up comes after the sum. This is the absorbed form, in which decoding runs: no key and no value
of any head is ever made.

A turn by the position cannot be absorbed: between q_h and k_up_h it is another matrix at each
distance. So the columns that turn are apart, and their key does not come from the latent.

Chapter     walkthroughs/26_attention_through_a_narrow_door.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.key_value_cache import KeyValueCache, attention_to_kept
from npformer.nn.linear import Linear
from npformer.nn.module import Array, Module, require_positive
from npformer.nn.norms import make_norm
from npformer.nn.positions import Positions, make_positions
from npformer.ops.attention import AttentionCache, attention_backward, attention_forward
from npformer.ops.linear import LinearCache


class LatentCache(KeyValueCache):
    """Of every position so far its latent and its shared key, side by side: (R, S, 1, L + R).

    ``k_up`` (N, Hn, L) and ``v_up`` (N, Hv, L) are the matrices to absorb, as they were at the
    start of the decoding.
    """

    def __init__(self, max_length: int, k_up: Array, v_up: Array) -> None:
        super().__init__(max_length)
        self.k_up, self.v_up = k_up, v_up


class QueriesCache(NamedTuple):
    proj: LinearCache
    rotation: Any
    down: LinearCache | None = None  # None without a latent of the queries
    norm: Any = None


class LatentsCache(NamedTuple):
    down: LinearCache
    norm: Any
    shared: LinearCache
    rotation: Any


class LatentAttentionCache(NamedTuple):
    queries: QueriesCache
    latents: LatentsCache
    k_up: LinearCache
    v_up: LinearCache
    attention: AttentionCache
    out_proj: LinearCache


class LatentAttention(Module):
    """``heads`` attentions whose keys and values are made of a latent of ``latent_size`` columns.

    Args:
        d_k: columns of a head's queries and keys, of which the last ``shared_size`` are the ones
            that turn; ``d_v`` columns of its values.
        query_latent_size: that of the latent of which queries are made; of x itself unless given.
        positions: arguments of ``make_positions`` for those that turn; None turns nothing.
        norm_type, eps: of the two latents' norms.
        scale: of the scores; 1 / sqrt(d_k) unless given.

    There are no biases. Raises ConfigError for sizes that are not 1 or more, a shared part that is
    the whole key, and as ``make_positions``.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        d_k: int,
        d_v: int,
        *,
        latent_size: int,
        shared_size: int,
        query_latent_size: int | None = None,
        positions: Mapping[str, Any] | None = None,
        norm_type: str = "rms_norm",
        eps: float = 1e-6,
        scale: float | None = None,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        require_positive(shared_size=shared_size)
        if shared_size >= d_k:
            raise ConfigError(
                f"shared_size is {shared_size} of a head's {d_k} columns; it must be fewer"
            )

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, False, rng=rng, dtype=dtype)

        self.heads, self.latent_size = heads, latent_size
        self.own_size, self.shared_size = d_k - shared_size, shared_size
        self.scale = d_k**-0.5 if scale is None else scale
        self.q_down = self.q_norm = None
        if query_latent_size is not None:
            self.q_down = linear(d_model, query_latent_size)
            self.q_norm = make_norm(norm_type, query_latent_size, eps, dtype=dtype)
        self.q_proj = linear(query_latent_size or d_model, heads * d_k)
        self.kv_down = linear(d_model, latent_size)
        self.kv_norm = make_norm(norm_type, latent_size, eps, dtype=dtype)
        self.k_shared = linear(d_model, shared_size)
        self.k_up = linear(latent_size, heads * self.own_size)
        self.v_up = linear(latent_size, heads * d_v)
        self.out_proj = linear(heads * d_v, d_model)
        self.positions: Positions | None = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, rng=rng, dtype=dtype)

    def forward(
        self,
        x: Array,
        mask: Array | None = None,
        *,
        causal: bool = False,
        at: int | Array | None = None,
        kept: LatentCache | None = None,
    ) -> tuple[Array, LatentAttentionCache]:
        """x (B, T, D), mask (B|1, N|1, T|1, S) -> y (B, T, D), cache.

        The mask is boolean, True where a query may attend. ``at`` are the positions of x's tokens,
        of which the first has 0 unless given. With ``kept``, those of x join the earlier
        positions', on which the mask is then, by the absorbed form; then there is no backward.
        """
        if at is None:
            at = 0 if kept is None else kept.length
        q, queries = self._queries(x, at)  # (B, T, N, Hn + R)
        latent, shared, latents = self._latents(x, at)  # (B, T, L), (B, T, 1, R)
        if kept is not None:
            y = self._absorbed(q, latent, shared, mask, causal, kept)
            y, _ = self.out_proj.forward(_merge(y))
            return y, None  # type: ignore[return-value]
        own, k_up = self.k_up.forward(latent)
        v, v_up = self.v_up.forward(latent)
        every = np.broadcast_to(shared, (*x.shape[:2], self.heads, self.shared_size))
        k = np.concatenate([self._split(own), every], axis=-1)  # (B, T, N, Hn + R)
        y, attention = attention_forward(
            q, k, self._split(v), mask, causal=causal, scale=self.scale
        )
        y, out_proj = self.out_proj.forward(_merge(y))
        return y, LatentAttentionCache(queries, latents, k_up, v_up, attention, out_proj)

    def backward(self, dy: Array, cache: LatentAttentionCache) -> Array:
        """dy (B, T, D) -> dx (B, T, D): by the queries, the latent, and the shared key.

        Every head reads the shared key, so its gradient is the sum over the heads.
        """
        dy = self._split(self.out_proj.backward(dy, cache.out_proj))
        dq, dk, dv = attention_backward(dy, cache.attention)
        dshared = dk[..., self.own_size :].sum(axis=2, keepdims=True)  # (B, T, 1, R)
        dlatent = self.k_up.backward(_merge(dk[..., : self.own_size]), cache.k_up)
        dlatent = dlatent + self.v_up.backward(_merge(dv), cache.v_up)
        return self._back_from_queries(dq, cache.queries) + self._back_from_latents(
            dlatent, dshared, cache.latents
        )

    def start(self, max_length: int) -> LatentCache:
        """What a decoding of up to ``max_length`` tokens keeps: L + R numbers a token.

        The matrices are what ``k_up`` and ``v_up`` make of the identity, whatever adapts them.
        """
        identity = np.eye(self.latent_size, dtype=np.float32)  # exact in every dtype
        of_k, of_v = (up.forward(identity)[0] for up in (self.k_up, self.v_up))
        return LatentCache(max_length, self._matrices(of_k), self._matrices(of_v))

    def _absorbed(
        self,
        q: Array,
        latent: Array,
        shared: Array,
        mask: Array | None,
        causal: bool,
        kept: LatentCache,
    ) -> Array:
        """q (B, T, N, Hn + R), latent (B, T, L), shared (B, T, 1, R) -> y (B, T, N, Hv)."""
        both = np.concatenate([latent[:, :, None], shared], axis=-1)  # (B, T, 1, L + R)
        k, _ = kept.append(both, both[..., :0])  # (B, S, 1, L + R); values are a part of it
        own = q[..., : self.own_size].swapaxes(1, 2) @ kept.k_up  # (B, N, T, L)
        q = np.concatenate([own.swapaxes(1, 2), q[..., self.own_size :]], axis=-1)
        v = k[..., : latent.shape[-1]]
        attends = attention_to_kept(q.shape[1])
        y, _ = attends(q, k, v, mask, causal=causal, scale=self.scale)  # (B, T, N, L)
        return (y.swapaxes(1, 2) @ kept.v_up.mT).swapaxes(1, 2)

    def _queries(self, x: Array, at: int | Array) -> tuple[Array, QueriesCache]:
        """x (B, T, D) -> q (B, T, N, Hn + R), of which the last columns are turned, cache."""
        down: Any = None
        norm: Any = None
        if self.q_down is not None and self.q_norm is not None:
            x, down = self.q_down.forward(x)
            x, norm = self.q_norm.forward(x)
        x, proj = self.q_proj.forward(x)
        q = self._split(x)
        turned, rotation = self._rotate(q[..., self.own_size :], at)
        q = np.concatenate([q[..., : self.own_size], turned], axis=-1)
        return q, QueriesCache(proj, rotation, down, norm)

    def _back_from_queries(self, dq: Array, cache: QueriesCache) -> Array:
        """dq (B, T, N, Hn + R) -> dx (B, T, D)."""
        turned = self._rotate_back(dq[..., self.own_size :], cache.rotation)
        dq = np.concatenate([dq[..., : self.own_size], turned], axis=-1)
        dx = self.q_proj.backward(_merge(dq), cache.proj)
        if self.q_down is None or self.q_norm is None or cache.down is None:
            return dx
        return self.q_down.backward(self.q_norm.backward(dx, cache.norm), cache.down)

    def _latents(self, x: Array, at: int | Array) -> tuple[Array, Array, LatentsCache]:
        """x (B, T, D) -> latent (B, T, L), the shared key (B, T, 1, R) turned, cache."""
        latent, down = self.kv_down.forward(x)
        latent, norm = self.kv_norm.forward(latent)
        shared, of_shared = self.k_shared.forward(x)
        shared, rotation = self._rotate(shared[:, :, None], at)
        return latent, shared, LatentsCache(down, norm, of_shared, rotation)

    def _back_from_latents(self, dlatent: Array, dshared: Array, cache: LatentsCache) -> Array:
        """dlatent (B, T, L), dshared (B, T, 1, R) -> dx (B, T, D)."""
        dshared = self._rotate_back(dshared, cache.rotation)[:, :, 0]
        dx = self.kv_down.backward(self.kv_norm.backward(dlatent, cache.norm), cache.down)
        return dx + self.k_shared.backward(dshared, cache.shared)

    def _rotate(self, x: Array, at: int | Array) -> tuple[Array, Any]:
        return (x, None) if self.positions is None else self.positions.rotate(x, at)

    def _rotate_back(self, dy: Array, cache: Any) -> Array:
        return dy if self.positions is None else self.positions.rotate_backward(dy, cache)

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.heads, x.shape[2] // self.heads)  # (B, T, N, H)

    def _matrices(self, of_identity: Array) -> Array:
        """(L, N * H), a map of the identity's rows -> (N, H, L), a matrix of each head."""
        rows, columns = of_identity.shape
        return np.ascontiguousarray(of_identity.T).reshape(self.heads, columns // self.heads, rows)


def _merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)
