"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.config import ModelConfig
from npformer.errors import ShapeError
from torch_ref.models.choice import Choice, Chosen
from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.static_state import BufferPool, StaticState
from torch_ref.nn import Dropout, Embedding, Linear, Stack
from torch_ref.nn.layer_state import LayerState
from torch_ref.nn.positions import make_positions
from torch_ref.ops import padding_mask


class Transformer(nn.Module):
    """Source and target ids to the logits of each next target token.

    Source and target share one vocabulary and one embedding; the output projection is the same
    matrix unless ``config.tie_output`` is False.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        c = self.config = config
        place: dict[str, Any] = {"dtype": dtype, "device": device}

        def stack(layers: int, *, causal: bool, cross_attention: bool) -> Stack:
            return Stack(
                layers,
                c.d_model,
                c.heads,
                c.d_ff,
                causal=causal,
                cross_attention=cross_attention,
                d_k=c.d_k,
                d_v=c.d_v,
                dropout=c.dropout,
                norm=c.norm,
                activation=c.activation,
                eps=c.layer_norm_eps,
                **place,
            )

        self.embedding = Embedding(c.vocab_size, c.d_model, c.padding_id, **place)
        self.positions = make_positions(c.positions, c.max_length, c.d_model, **place)
        self.dropout = Dropout(c.dropout)
        self.encoder = stack(c.encoder_layers, causal=False, cross_attention=False)
        self.decoder = stack(c.decoder_layers, causal=True, cross_attention=True)
        self.output_proj = None if c.tie_output else Linear(c.d_model, c.vocab_size, False, **place)
        if c.init_std is not None:
            for parameter in self.parameters():
                if parameter.ndim == 2:
                    nn.init.normal_(parameter, std=c.init_std)
            with torch.no_grad():
                self.embedding.weight[c.padding_id] = 0
        self._pool: BufferPool | None = None

    def forward(
        self, source: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """source (B, S), target (B, T) ids -> logits (B, T, V).

        With a generator, every dropout mask is the one that the NumPy model draws from it; without,
        PyTorch draws them while ``training``. Raises ShapeError for ids that are not (B, length) or
        are longer than ``config.max_length``, IndexError (on the CPU) for an id outside the
        vocabulary.
        """
        return self._project(self.hidden(source, target, rng))

    def hidden(
        self, source: Tensor, target: Tensor, rng: np.random.Generator | None = None
    ) -> Tensor:
        """What ``forward`` projects to the logits: the decoder's last states (B, T, D)."""
        x = self._embed(source, rng)
        mask = padding_mask(source, self.config.padding_id)  # (B, 1, 1, S)
        memory = self.encoder(x, mask=mask, rng=rng)
        return self.decoder(self._embed(target, rng), memory, memory_mask=mask, rng=rng)

    def run_layers(self, *, compiled: bool = False, checkpointed: bool = False) -> None:
        """How layers run from now on: through torch.compile; keeping their inputs alone.

        A checkpointed layer runs a second time in the backward, with the dropout of the first;
        not with a generator's, which would go on to other masks.
        """
        self.encoder.checkpointed = self.decoder.checkpointed = checkpointed
        if compiled:
            for layer in (*self.encoder.layers, *self.decoder.layers):
                layer.compile(dynamic=True)

    def run_steps(self, *, static: bool) -> None:
        """How decoding steps run from now on: ``static`` ones on buffers that never change shape.

        On CUDA a static step is replayed as one graph, which is what makes small batches fast. The
        graph reads the weights where they lie now: they may change in place, but not move.
        """
        self._pool = BufferPool() if static else None

    @property
    def output_weight(self) -> Tensor:
        """The matrix (V, D) that projects to the logits."""
        return self.embedding.weight if self.output_proj is None else self.output_proj.weight

    @torch.inference_mode()
    def start(self, source: np.ndarray | Tensor) -> DecoderState | StaticState:
        """source (B, S) ids -> the state from which ``step`` decodes, token by token."""
        source = self._ids(source)
        with inference(self):
            x = self._embed(source)
            mask = padding_mask(source, self.config.padding_id)
            memory = self.encoder(x, mask=mask)
            layers = self.decoder.start(self.config.max_length, memory)
            if self._pool is not None:
                return StaticState(self._pool, layers, mask, self.config.max_length)
            return DecoderState(layers, source.device, mask)

    @torch.inference_mode()
    def step(self, ids: np.ndarray, state: DecoderState | StaticState) -> np.ndarray:
        """The newest target ids (R,) -> logits (R, V) of the token that follows them, in NumPy.

        Raises ShapeError once ``config.max_length`` ids have been given.
        """
        return self._advance(ids, state, Choice()).logits.cpu().numpy()

    @torch.inference_mode()
    def step_best(
        self, ids: np.ndarray, state: DecoderState | StaticState, banned: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """ids (R,) -> the largest logit (R,) of each row, and its id (R,), ``banned`` ids left out.

        Of equal logits the smallest id wins. NaN wins over every number.
        """
        choice = Choice(1, banned, scored=False)
        best, tokens = choice.fetch(self._advance(ids, state, choice))
        return best[:, 0], tokens[:, 0]

    @torch.inference_mode()
    def step_top(
        self, ids: np.ndarray, state: DecoderState | StaticState, k: int, banned: tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """ids (R,) -> log probabilities (R, K), float64, and ids (R, K) of the k best, best first.

        The probabilities are over the whole vocabulary; ``banned`` ids are only kept from being
        chosen. Of equal logits the smaller id comes first. K is k, or V if that is less. Every
        log probability of a row with a logit that is not finite is NaN.
        """
        choice = Choice(k, banned)
        return choice.fetch(self._advance(ids, state, choice))

    def decode(
        self,
        ids: Tensor,
        position: int | Tensor,
        states: Sequence[LayerState],
        memory_mask: Tensor | None,
    ) -> Tensor:
        """ids (R,), the tokens at ``position``, a number or (1,), -> logits (R, V) of the next.

        They are in float32 if they would be less precise. Raises ShapeError for a number past the
        model's last position.
        """
        y = self._embed(ids[:, None], at=position)
        y = self.decoder(y, memory_mask=memory_mask, states=states)
        logits = self._project(y[:, 0])
        return logits.float() if logits.dtype.itemsize < 4 else logits

    def _advance(
        self, ids: np.ndarray, state: DecoderState | StaticState, choice: Choice
    ) -> Chosen:
        with inference(self):
            return state.advance(self, ids, choice)

    def _embed(
        self, ids: Tensor, rng: np.random.Generator | None = None, at: int | Tensor = 0
    ) -> Tensor:
        if ids.ndim != 2:
            raise ShapeError(f"token ids of shape {tuple(ids.shape)}; they must be (batch, length)")
        if isinstance(at, int) and at + ids.shape[1] > self.config.max_length:
            raise self.too_long(at + ids.shape[1])
        x = self.embedding(ids) * math.sqrt(self.config.d_model)  # (B, T, D)
        return self.dropout(self.positions(x, at), rng)

    def too_long(self, length: int) -> ShapeError:
        """What to raise for a sequence of ``length`` tokens."""
        limit = self.config.max_length
        return ShapeError(f"a sequence of {length} tokens; the model takes {limit} at most")

    def _project(self, y: Tensor) -> Tensor:
        if self.output_proj is not None:
            return self.output_proj(y)
        return self.embedding.project(y)

    def _ids(self, ids: np.ndarray | Tensor) -> Tensor:
        return torch.as_tensor(ids, dtype=torch.int64, device=self.embedding.weight.device)


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
