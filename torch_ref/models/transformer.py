"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from npformer.config import ModelConfig
from npformer.errors import ShapeError
from torch_ref.nn import Decoder, Dropout, Embedding, Encoder, Linear
from torch_ref.nn.key_value_cache import KeyValueCache
from torch_ref.ops import padding_mask, sinusoidal_positions


class Transformer(nn.Module):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding; the output projection is the same
    matrix unless ``config.tie_output`` is False.
    """

    positions: Tensor  # (max_length, D)

    def __init__(
        self,
        config: ModelConfig,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.padding_id, dtype=dtype, device=device
        )
        self.dropout = Dropout(c.dropout)
        self.encoder = Encoder(c, dtype=dtype, device=device)
        self.decoder = Decoder(c, dtype=dtype, device=device)
        self.output_proj = (
            None
            if c.tie_output
            else Linear(c.d_model, c.vocab_size, False, dtype=dtype, device=device)
        )
        positions = sinusoidal_positions(c.max_length, c.d_model, dtype=dtype, device=device)
        self.register_buffer("positions", positions, persistent=False)

    def forward(
        self, source: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """source (B, S), target (B, T) ids -> logits (B, T, V).

        With a generator, every dropout mask is the one that the NumPy model draws from it; without,
        PyTorch draws them while ``training``. Raises ShapeError for ids that are not (B, length) or
        are longer than ``config.max_length``, IndexError (on the CPU) for an id outside the
        vocabulary.
        """
        x = self._embed(source, rng)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory = self.encoder(x, mask, rng)
        y = self.decoder(self._embed(target, rng), memory, mask, rng)
        return self._project(y)

    @torch.inference_mode()
    def start(self, source: np.ndarray | Tensor) -> DecoderState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        source = self._ids(source)
        with inference(self):
            x = self._embed(source)
            mask = padding_mask(source, self.config.padding_id)
            memory = self.encoder(x, mask)
            return DecoderState(self.decoder.start(memory, self.config.max_length), mask)

    @torch.inference_mode()
    def step(self, ids: np.ndarray | Tensor, state: DecoderState) -> np.ndarray:
        """The newest target ids (B,) -> logits (B, V) of the token that follows them, in NumPy.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        with inference(self):
            y = self._embed(self._ids(ids)[:, None], position=state.length)
            y = self.decoder.step(y, state.layers, state.memory_mask)
            state.length += 1
            return self._project(y[:, 0]).cpu().numpy()

    def _embed(
        self, ids: Tensor, rng: np.random.Generator | None = None, position: int = 0
    ) -> Tensor:
        if ids.ndim != 2:
            raise ShapeError(f"token ids of shape {tuple(ids.shape)}; they must be (batch, length)")
        end = position + ids.shape[1]
        if end > self.config.max_length:
            raise ShapeError(
                f"a sequence of {end} tokens; the model takes {self.config.max_length} at most"
            )
        x = self.embedding(ids) * math.sqrt(self.config.d_model)  # (B, T, D)
        return self.dropout(x + self.positions[position:end], rng)

    def _project(self, y: Tensor) -> Tensor:
        if self.output_proj is not None:
            return self.output_proj(y)
        return F.linear(y, self.embedding.weight)

    def _ids(self, ids: np.ndarray | Tensor) -> Tensor:
        return torch.as_tensor(ids, dtype=torch.int64, device=self.positions.device)


class DecoderState:
    """Where a decoding stands: what each layer keeps, the source's mask, the ids given so far."""

    def __init__(self, layers: list[KeyValueCache], memory_mask: Tensor) -> None:
        self.layers = layers
        self.memory_mask = memory_mask  # (B, 1, 1, S)
        self.length = 0

    @torch.inference_mode()
    def select(self, rows: np.ndarray | Tensor) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once."""
        rows = torch.as_tensor(rows, dtype=torch.int64, device=self.memory_mask.device)
        self.memory_mask = self.memory_mask[rows]
        for layer in self.layers:
            layer.select(rows)


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Without dropout while the block runs, whatever mode the model is in."""
    training = model.training
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()
