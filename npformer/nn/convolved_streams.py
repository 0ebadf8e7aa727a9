"""What layers with a state read: queries, keys and values behind a short convolution.

    q, k, v = silu(conv(x q_proj^T)), silu(conv(x k_proj^T)), silu(conv(x v_proj^T))

Where a row holds several texts, each is convolved as if it were alone.

Chapter     walkthroughs/27_memory_as_a_matrix.md
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.causal_conv1d import CausalConv1d
from npformer.nn.delta_state import DeltaState
from npformer.nn.linear import Linear
from npformer.nn.module import Array, require_positive
from npformer.ops.causal_conv1d import CausalConv1dCache
from npformer.ops.linear import LinearCache
from npformer.ops.silu import SiluCache, silu_backward, silu_forward

FORGOTTEN = -1e4
"""The logarithm of a decay that leaves exactly 0 in every precision: where a text begins."""
STEPS = 0.001, 0.1
"""What the first and the last head forget at a position, about, before training."""


class StreamCache(NamedTuple):
    """Of queries, keys or values between x and the recurrence."""

    proj: LinearCache
    conv: CausalConv1dCache
    silu: SiluCache


class ConvolvedStreams:
    """What a ``Module`` with ``q_proj``, ``q_conv`` and those of k and v has besides.

    ``key_heads`` heads of keys and queries are each read by ``heads / key_heads`` states.
    """

    heads: int
    key_heads: int
    width: int

    def _make_streams(
        self,
        d_model: int,
        heads: int,
        key_heads: int | None,
        key_size: int,
        value_size: int,
        width: int,
        *,
        bias: bool,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> None:
        """Raises ConfigError for a size below 1, and for key heads that do not divide heads."""
        key_heads = heads if key_heads is None else key_heads
        require_positive(heads=heads, key_heads=key_heads, key_size=key_size, width=width)
        if heads % key_heads:
            raise ConfigError(
                f"key_heads is {key_heads}, which does not divide heads, {heads}; as many heads "
                "must read each key"
            )
        self.heads, self.key_heads, self.width = heads, key_heads, width
        keys, values = key_heads * key_size, heads * value_size
        sizes = {"q": keys, "k": keys, "v": values}
        for name, size in sizes.items():
            setattr(self, f"{name}_proj", Linear(d_model, size, False, rng=rng, dtype=dtype))
        for name, size in sizes.items():
            setattr(self, f"{name}_conv", CausalConv1d(size, width, bias, rng=rng, dtype=dtype))

    def start(self, max_length: int) -> DeltaState:
        """What a decoding keeps; its size does not depend on the length."""
        return DeltaState()

    def _through_streams(self, x: Array, at: int | Array, kept: DeltaState | None) -> Any:
        """x (B, T, D) -> q, k (B, T, G * H), v (B, T, N * Hv), and their caches."""
        found, caches = [], []
        for name in "qkv":
            proj, conv = getattr(self, f"{name}_proj"), getattr(self, f"{name}_conv")
            h, of_proj = proj.forward(x)
            before = 0
            if kept is not None:
                h = kept.looked_back(name, h, self.width, at)
                before = self.width - 1
            places = _apart(at, before, self.width, h.shape[:2])
            h, of_conv = conv.forward(_put(h, places))
            h, of_silu = silu_forward(_taken(h, places)[:, before:])
            found.append(h)
            caches.append(StreamCache(of_proj, of_conv, of_silu))
        return *found, tuple(caches)

    def _back_through_streams(
        self, dh: tuple[Array, ...], streams: tuple[StreamCache, ...], begins: Array | None
    ) -> Array:
        """dq, dk, dv (B, T, ...) -> dx (B, T, D), what comes back through them."""
        at = 0 if begins is None else np.where(begins, 0, 1)
        dx = 0.0
        for name, d, (proj, conv, silu) in zip("qkv", dh, streams, strict=True):
            d = silu_backward(d, silu)
            places = _apart(at, 0, self.width, d.shape[:2])
            d = getattr(self, f"{name}_conv").backward(_put(d, places), conv)
            dx = dx + getattr(self, f"{name}_proj").backward(_taken(d, places), proj)
        return np.asarray(dx)

    def _by_head(self, x: Array, heads: int) -> Array:
        return x.reshape(*x.shape[:2], heads, x.shape[2] // heads)  # (B, T, N, H)

    def _shared(self, x: Array) -> Array:
        """x (B, T, G, H) -> (B, T, N, H), each as often as heads read it."""
        return np.repeat(x, self.heads // self.key_heads, axis=2)

    def _summed(self, dx: Array) -> Array:
        """dx (B, T, N, H) -> (B, T, G, H)."""
        shared = self.heads // self.key_heads
        return dx.reshape(*dx.shape[:2], self.key_heads, shared, dx.shape[3]).sum(3)


def merge(x: Array) -> Array:
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])  # (B, T, N * H)


def _apart(at: int | Array, before: int, width: int, shape: tuple[int, ...]) -> Array | None:
    """Places (B, T) at which no text is in the window of another; None where there is one a row.

    ``before`` are positions of an earlier call; they are in the window of the first.
    """
    if isinstance(at, int):
        return None
    begins = np.zeros(shape, int)
    begins[:, before:] = at == 0
    return np.arange(shape[1]) + (width - 1) * begins.cumsum(1)


def _put(x: Array, places: Array | None) -> Array:
    """x (B, T, channels) -> at these places, 0 between them."""
    if places is None:
        return x
    spread = np.zeros((len(x), int(places.max(initial=-1)) + 1, x.shape[2]), x.dtype)
    np.put_along_axis(spread, places[:, :, None], x, axis=1)
    return spread


def _taken(x: Array, places: Array | None) -> Array:
    """What stands at these places."""
    return x if places is None else np.take_along_axis(x, places[:, :, None], axis=1)
