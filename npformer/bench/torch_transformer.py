"""torch.nn.Transformer as a baseline for the twin: the same architecture from PyTorch's own class.

The class has neither embedding, positions nor projection, so those that the twin has are put around
it. Of its options and parts, three are set aside because the paper's model, and the twin, are
without them: dropout inside attention and inside the feed-forward network, and a layer norm after
the last layer of each side (two of 2 D parameters). What remains has the twin's parameters, one for
one. Masks are given as its documentation shows: a causal one, and padding for source and target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.bench.module_engine import ModuleEngine
from npformer.bench.plain_model import check_plain
from npformer.models.transformer import TransformerConfig
from torch_ref.ops.positions import sinusoidal_positions

ACTIVATIONS: dict[str, Any] = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


class TorchTransformer(nn.Module):
    """Source and target ids to logits, around ``torch.nn.Transformer``.

    Raises ConfigError for a configuration that the class cannot have.
    """

    positions: Tensor  # (max_length, D)

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        c = self.config = config
        check_plain(
            c,
            "torch.nn.Transformer",
            {
                "head_size": c.head_size in (None, c.d_model // c.heads),
                "d_k": c.head_k * c.heads == c.d_model,
                "d_v": c.head_v * c.heads == c.d_model,
                "activation": c.activation in ACTIVATIONS,
                "layer_norm_eps": True,
            },
        )
        self.embedding = nn.Embedding(c.vocab_size, c.d_model, c.padding_id)
        nn.init.normal_(self.embedding.weight, std=c.d_model**-0.5)
        self.dropout = nn.Dropout(c.dropout)
        self.transformer = nn.Transformer(
            c.d_model,
            c.heads,
            c.encoder_layers,
            c.decoder_layers,
            c.d_ff,
            c.dropout,
            ACTIVATIONS[c.activation],
            layer_norm_eps=c.layer_norm_eps,
            batch_first=True,
        )
        self.transformer.encoder.norm = self.transformer.decoder.norm = None
        for module in self.transformer.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
            elif isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                module.dropout.p = 0.0  # inside the feed-forward network
        positions = sinusoidal_positions(c.max_length, c.d_model, dtype=torch.float64)
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """source (B, S), target (B, T) ids -> logits (B, T, V)."""
        padding = self.config.padding_id
        source_padding = source == padding
        y = self.transformer(
            self._embed(source),
            self._embed(target),
            tgt_mask=_causal(target),
            src_key_padding_mask=source_padding,
            tgt_key_padding_mask=target == padding,
            memory_key_padding_mask=source_padding,
            tgt_is_causal=True,
        )
        return F.linear(y, self.embedding.weight)

    def encode(self, source: Tensor) -> Tensor:
        """source (B, S) ids -> memory (B, S, D)."""
        padding = source == self.config.padding_id
        return self.transformer.encoder(self._embed(source), src_key_padding_mask=padding)

    def decode(self, target: Tensor, memory: Tensor, source_padding: Tensor) -> Tensor:
        """target (B, T) ids, memory (B, S, D), source_padding (B, S) -> the last logits (B, V)."""
        y = self.transformer.decoder(
            self._embed(target),
            memory,
            tgt_mask=_causal(target),
            memory_key_padding_mask=source_padding,
            tgt_is_causal=True,
        )
        return F.linear(y[:, -1], self.embedding.weight)

    def _embed(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) * math.sqrt(self.config.d_model)
        return self.dropout(x + self.positions[: ids.shape[1]])


class TorchTransformerEngine(ModuleEngine):
    """``Engine`` over ``TorchTransformer``, its first weights drawn from ``config.train.seed``."""

    module: TorchTransformer

    def module_of(self, config: TransformerConfig) -> TorchTransformer:
        """A ``TorchTransformer``, which says what is raised."""
        return TorchTransformer(config)

    @property
    def model(self) -> Recomputed:
        """What ``npformer.decode`` translates with."""
        return Recomputed(self.module)


class Recomputed:
    """``TorchTransformer`` as ``npformer.decode`` asks for a model.

    Its class keeps no keys and values from step to step, so each step runs the decoder over all
    that is written so far.
    """

    def __init__(self, module: TorchTransformer) -> None:
        self.module, self.config = module, module.config

    @torch.inference_mode()
    def start(self, source: np.ndarray) -> RecomputedState:
        """source (B, S) ids -> the state from which ``step`` decodes."""
        device = self.module.positions.device
        ids = torch.from_numpy(source).to(device)
        return RecomputedState(self.module.encode(ids), ids == self.config.padding_id)

    @torch.inference_mode()
    def step(self, ids: np.ndarray, state: RecomputedState) -> np.ndarray:
        """The newest target ids (B,) -> logits (B, V) of the token that follows them."""
        device = self.module.positions.device
        newest = torch.as_tensor(ids, device=device)[:, None]
        state.target = torch.cat([state.target, newest], dim=1)
        logits = self.module.decode(state.target, state.memory, state.padding)
        return logits.float().cpu().numpy()


class RecomputedState:
    """Where a decoding stands: the encoder's result, its padding, and all ids given so far."""

    def __init__(self, memory: Tensor, padding: Tensor) -> None:
        self.memory, self.padding = memory, padding  # (B, S, D), (B, S)
        self.target = torch.empty(len(memory), 0, dtype=torch.int64, device=memory.device)

    @torch.inference_mode()
    def select(self, rows: np.ndarray) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        chosen = torch.as_tensor(rows, device=self.memory.device)
        self.memory, self.padding = self.memory[chosen], self.padding[chosen]
        self.target = self.target[chosen]


def twin_weights(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The twin's weights under this model's names; q, k and v are one matrix here."""
    mapped: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if any(f".{x}_proj." in name for x in "kv"):
            continue
        if ".q_proj." in name:
            parts = [weights[name.replace(".q_proj.", f".{x}_proj.")] for x in "qkv"]
            mapped[_name(name.replace("q_proj.", "in_proj_"))] = np.concatenate(parts)
        else:
            mapped[_name(name)] = array
    return mapped


def _name(name: str) -> str:
    if name == "embedding.weight":
        return name
    side = name.partition(".")[0]
    for ours, theirs in (
        ("self_attn_residual.norm", "norm1"),
        ("cross_attn_residual.norm", "norm2"),
        ("feed_forward_residual.norm", "norm2" if side == "encoder" else "norm3"),
        ("cross_attn", "multihead_attn"),
        ("feed_forward.", ""),
    ):
        name = name.replace(ours, theirs)
    return f"transformer.{name}"


def _causal(target: Tensor) -> Tensor:
    """target (B, T) -> (T, T), True where the key comes after the query and is not to be seen."""
    length = target.shape[1]
    return torch.ones(length, length, dtype=torch.bool, device=target.device).triu(1)
