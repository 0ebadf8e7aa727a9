"""A stack of layers (Vaswani et al., 2017, section 3.1): an encoder, or a decoder.

Chapter     walkthroughs/09_whole_model.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npformer.errors import ConfigError
from npformer.nn.checkpointed import (
    CheckpointedCache,
    checkpointed_backward,
    checkpointed_forward,
)
from npformer.nn.layer import Layer, LayerCache
from npformer.nn.layer_state import LayerState
from npformer.nn.mixture_of_experts import Auxiliary, summed
from npformer.nn.module import Array, Module
from npformer.nn.norms import make_norm
from npformer.nn.positions import Positions, make_positions
from npformer.nn.quantized_linear import quantize_linears
from npformer.nn.token_grid import PackedMask


class StackCache(NamedTuple):
    layers: list[LayerCache | CheckpointedCache]
    norm: Any  # of the last norm's op; None in post-norm
    bias: Any = None  # of the shared positions

    @property
    def auxiliary(self) -> Auxiliary | None:
        """What the layers' experts add to the loss, and their loads (layers, E)."""
        each = (layer.auxiliary for layer in self.layers)
        return summed(Auxiliary(a.loss, np.stack([a.load])) for a in each if a is not None)


class Stack(Module):
    """``layers`` layers; but in post-norm a last norm, as nothing else norms the sum.

    ``settings`` are those of ``Layer``; ``attention`` may be one for each layer, of which some look
    through a window and some at everything, and so may ``experts``, None in a layer without.
    ``positions``, arguments of ``make_positions``, are a bias that the self-attention of every
    layer shares, as in T5. Without ``first_norm`` the first layer's attention has no norm before
    it. Of ``streams``, settings of ``StreamResidual``, each begins as x, and their mean comes after
    the last layer. With ``per_layer``, settings of ``PerLayerGate``, each layer reads rows of its
    own; of several value embeddings a layer's attention reads that which ``value_tables`` says, if
    any. ``last_norm`` is whether there is a norm after the last layer. With ``weight_bits`` the
    layers' linear parts are ``QuantizedLinear``, of as many ``input_bits``.
    Raises ConfigError as ``Layer`` does, and for a bias beside one of a layer's own.

    Where ``checkpointed`` is set, layers run again in the backward and keep no activations. Where
    ``freed`` is, a backward takes the caches of the layers out of its own, one by one.
    """

    def __init__(
        self,
        layers: int,
        d_model: int,
        heads: int,
        d_ff: int,
        *,
        norm: str = "post",
        eps: float = 1e-5,
        norm_type: str = "layer_norm",
        attention: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        experts: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
        positions: Mapping[str, Any] | None = None,
        first_norm: bool = True,
        last_norm: bool | None = None,
        streams: Mapping[str, Any] | None = None,
        value_tables: Sequence[int | None] | None = None,
        weight_bits: int | None = None,
        input_bits: int | None = None,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
        **settings: Any,
    ) -> None:
        self.checkpointed = self.freed = False
        self.value_tables = list(value_tables or [None] * layers)
        self.streams = 0 if streams is None else int(streams["streams"])
        around: dict[str, Any] = {"norm": norm, "eps": eps, "norm_type": norm_type, **settings}
        self.positions: Positions | None = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, rng=rng, dtype=dtype)
        self.layers = [
            Layer(
                d_model,
                heads,
                d_ff,
                attention=each,
                experts=mixture,
                first_norm=first_norm or index > 0,
                streams=None if streams is None else {**streams, "first": index},
                **around,
                rng=rng,
                dtype=dtype,
            )
            for index, (each, mixture) in enumerate(
                zip(of_each(attention, layers), of_each(experts, layers), strict=True)
            )
        ]
        own = (layer.self_attn.positions for layer in self.layers)
        if self.positions is not None and any(p is not None and p.biases for p in own):
            raise ConfigError("positions are a bias, and so are those of attention; give one")
        last = norm != "post" if last_norm is None else last_norm
        self.norm = make_norm(norm_type, d_model, eps, dtype=dtype) if last else None
        if weight_bits is not None:
            quantize_linears(self, weight_bits, input_bits)

    def forward(
        self,
        x: Array,
        memory: Array | None = None,
        mask: Array | PackedMask | None = None,
        memory_mask: Array | PackedMask | None = None,
        rng: np.random.Generator | None = None,
        states: Sequence[LayerState] | None = None,
        at: int | Array | None = None,
        texts: Array | None = None,
        values: Array | None = None,
        rows: Array | None = None,
    ) -> tuple[Array, StackCache]:
        """x (B, T, D), memory (B, S, D), masks to (B, N, T, T) and (B, N, T, S) -> y, cache.

        Or, where masks are ``PackedMask``, their tokens without padding, (1, n, D) and (1, m, D).
        With the ``states`` of a decoding, one a layer, as ``Layer.forward`` with its state; then no
        cache is kept of any. ``at`` and ``texts`` as there. ``rows`` (B, T, L, P) are what layers
        read that have embeddings of their own, ``values`` (B, T, J, C) those of J tables.
        """
        caches: list[LayerCache | CheckpointedCache] = []
        cache: LayerCache | CheckpointedCache
        bias, bias_cache = None, None
        if self.positions is not None:
            before = 0 if states is None else states[0].self_attn.length
            length = mask.queries.shape[1] if isinstance(mask, PackedMask) else x.shape[1]
            bias, bias_cache = self.positions.bias(length, before + length)
        if self.streams:
            x = np.repeat(x[..., None, :], self.streams, axis=-2)  # (B, T, J, D)
        for index, layer in enumerate(self.layers):
            state = None if states is None else states[index]
            row = None if rows is None else rows[:, :, index]  # (B, T, P)
            table = self.value_tables[index]
            value = None if values is None or table is None else values[:, :, table]  # (B, T, C)
            arguments = (x, memory, mask, memory_mask, rng, state, at, texts, bias, value, row)
            if self.checkpointed and state is None:
                x, cache = checkpointed_forward(layer, *arguments)
            else:
                x, cache = layer.forward(*arguments)
            if state is None:  # decoding has no backward
                caches.append(cache)
        if self.streams:
            x = x.mean(axis=-2)  # (B, T, D)
        norm: Any = None
        if self.norm is not None:
            x, norm = self.norm.forward(x)
        return x, StackCache(caches, norm, bias_cache)

    def backward(self, dy: Array, cache: StackCache) -> Any:
        """dy (B, T, D) -> dx (B, T, D), and after it dmemory (B, S, D) with cross-attention, and
        dvalues (B, T, J, C) of value embeddings and drows (B, T, L, P) of layers that read such.

        Every layer reads the memory and the bias, so their gradients are sums over the layers; a
        row is read by one.
        """
        dx = dy
        if self.norm is not None and cache.norm is not None:
            dx = self.norm.backward(dx, cache.norm)
        if self.streams:
            dx = np.repeat(dx[..., None, :] / self.streams, self.streams, axis=-2)  # (B, T, J, D)
        shared: list[Array] = []  # dmemory and dbias, of those that there are
        rows: list[Array] = []  # of the layers from the last
        caches = cache.layers if self.freed else list(cache.layers)
        values: dict[int, Array] = {}  # by table, which several layers read
        for layer, table in zip(reversed(self.layers), reversed(self.value_tables), strict=True):
            layer_cache = caches.pop()
            if isinstance(layer_cache, CheckpointedCache):
                dx = checkpointed_backward(layer, dx, layer_cache)
            else:
                dx = layer.backward(dx, layer_cache)
            dx, *shares = dx if isinstance(dx, tuple) else (dx,)
            if layer.per_layer is not None:
                rows.append(shares.pop())
            if table is not None:
                dvalue = shares.pop()
                values[table] = values[table] + dvalue if table in values else dvalue
            shared = [a + b for a, b in zip(shared, shares, strict=True)] if shared else shares
        if self.positions is not None:
            self.positions.bias_backward(shared.pop(), cache.bias)
        if self.streams:
            dx = dx.sum(axis=-2)  # (B, T, D)
        if values:
            shared.append(np.stack([values[table] for table in sorted(values)], axis=-2))
        if rows:
            shared.append(np.stack(rows[::-1], axis=-2))  # (B, T, L, P)
        return (dx, *shared) if shared else dx

    def start(self, max_length: int, memory: Array | None = None) -> list[LayerState]:
        """memory (B, S, D) or None -> what each layer keeps, up to ``max_length`` tokens."""
        return [layer.start(max_length, memory) for layer in self.layers]


def of_each(
    settings: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None, layers: int
) -> Sequence[Mapping[str, Any] | None]:
    """The settings of a part in each layer. Raises ConfigError for another number of them."""
    if settings is None or isinstance(settings, Mapping):
        return [settings] * layers
    if len(settings) != layers:
        raise ConfigError(f"settings of a part for {len(settings)} layers of {layers}")
    return settings
