"""A stack of layers (Vaswani et al., 2017, section 3.1): an encoder, or a decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ConfigError
from torch_ref.nn.call_layer import call_layer
from torch_ref.nn.layer import Layer
from torch_ref.nn.layer_state import LayerState
from torch_ref.nn.mixture_of_experts import Auxiliary
from torch_ref.nn.norms import make_norm
from torch_ref.nn.positions import Positions, make_positions
from torch_ref.nn.quantized_linear import quantize_linears
from torch_ref.nn.token_grid import PackedMask


class Stack(nn.Module):
    """``layers`` layers; but in post-norm a last norm. ``settings`` are those of ``Layer``.

    ``attention`` and ``experts`` may be one for each layer; ``positions`` are a bias that all of
    them share. Raises ConfigError as ``Layer`` does, and for a bias beside one of a layer's own.
    """

    layers: Sequence[Layer]

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
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.checkpointed = False
        self.value_tables = list(value_tables or [None] * layers)
        self.streams = 0 if streams is None else int(streams["streams"])
        place: dict[str, Any] = {"dtype": dtype, "device": device}
        around: dict[str, Any] = {"norm": norm, "eps": eps, "norm_type": norm_type, **settings}
        each, mixtures = (_of_each(of, layers) for of in (attention, experts))
        self.positions: Positions | None = None
        if positions is not None:
            self.positions = make_positions(**positions, d_model=d_model, **place)
        self.layers = nn.ModuleList(  # type: ignore[assignment]
            Layer(
                d_model,
                heads,
                d_ff,
                attention=one,
                experts=mixture,
                first_norm=first_norm or index > 0,
                streams=None if streams is None else {**streams, "first": index},
                **around,
                **place,
            )
            for index, (one, mixture) in enumerate(zip(each, mixtures, strict=True))
        )
        own = (layer.self_attn.positions for layer in self.layers)
        if self.positions is not None and any(p is not None and p.biases for p in own):
            raise ConfigError("positions are a bias, and so are those of attention; give one")
        last = norm != "post" if last_norm is None else last_norm
        self.norm = make_norm(norm_type, d_model, eps, **place) if last else None
        if weight_bits is not None:
            quantize_linears(self, weight_bits, input_bits)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | PackedMask | None = None,
        memory_mask: Tensor | PackedMask | None = None,
        rng: np.random.Generator | None = None,
        states: Sequence[LayerState] | None = None,
        at: int | Tensor | None = None,
        texts: Tensor | None = None,
        values: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> Any:
        """x (B, T, D), memory (B, S, D), masks to (B, N, T, T) and (B, N, T, S) -> (B, T, D).

        Or, where masks are ``PackedMask``, their tokens without padding, (1, n, D).

        With the ``states`` of a decoding, one a layer, as ``Layer.forward`` with its state; ``at``
        as there. ``values`` (B, T, J, C) and ``rows`` (B, T, L, P) are as in the NumPy model. With
        ``texts`` (B, T), the ``Auxiliary`` of all layers comes after it.
        """
        each: list[Auxiliary] = []
        bias = None
        if self.positions is not None:
            before = 0 if states is None else states[0].self_attn.length
            length = mask.queries.shape[1] if isinstance(mask, PackedMask) else x.shape[1]
            bias = self.positions.bias(length, before + length)
        if self.streams:
            x = x.unsqueeze(-2).expand(*x.shape[:-1], self.streams, x.shape[-1])
        for index, layer in enumerate(self.layers):
            state = None if states is None else states[index]
            row = None if rows is None else rows[:, :, index]
            table = self.value_tables[index]
            value = None if values is None or table is None else values[:, :, table]
            arguments = (x, memory, mask, memory_mask, rng, state, at, texts, bias, value, row)
            x = call_layer(layer, *arguments, checkpointed=self.checkpointed)
            if isinstance(x, tuple):  # of a layer with experts, where texts are given
                x, auxiliary = x
                each.append(auxiliary)
        x = x.mean(-2) if self.streams else x
        x = x if self.norm is None else self.norm(x)
        if texts is None:
            return x
        losses, loads = zip(*each, strict=True)
        return x, Auxiliary(torch.stack(losses).sum(), torch.stack(loads))

    def start(self, max_length: int, memory: Tensor | None = None) -> list[LayerState]:
        """memory (B, S, D) or None -> what each layer keeps, up to ``max_length`` tokens."""
        return [layer.start(max_length, memory) for layer in self.layers]


def _of_each(settings: Any, layers: int) -> Sequence[Any]:
    alike = settings is None or isinstance(settings, Mapping)
    return [settings] * layers if alike else settings
