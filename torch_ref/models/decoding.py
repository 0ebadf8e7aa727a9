"""Decoding by steps, with the keys and values of earlier positions kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.errors import ShapeError
from torch_ref.models.choice import Choice, Chosen
from torch_ref.models.decoder_state import DecoderState
from torch_ref.models.static_state import BufferPool, StaticState
from torch_ref.nn.layer_state import LayerState
from torch_ref.nn.stack import Stack


class Decoding(nn.Module):
    """A model that can be asked for one token after the other. A family says how it starts."""

    config: Any
    decoder: Stack
    output_scale: float = 1.0
    """Factor of the last states, before they are projected."""
    _pool: BufferPool | None = None

    def run_steps(self, *, static: bool) -> None:
        """How decoding steps run from now on: ``static`` ones on buffers that never change shape.

        On CUDA a static step is replayed as one graph, which is what makes small batches fast. The
        graph reads the weights where they lie now: they may change in place, but not move.
        """
        self._pool = BufferPool() if static else None

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
        mask: Tensor | None = None,
    ) -> Tensor:
        """ids (R,), the tokens at ``position``, a number or (1,), -> logits (R, V) of the next.

        Or ids (R, T), a prompt's, of which the first is at ``position``, or each at that of a
        (R, T) of them. ``mask`` (R, 1, T, S) is what they see of all tokens so far. The logits are
        in float32 if they would be less precise. Raises ShapeError for a position past the model's
        last.
        """
        return self.logits_of(self.read(ids, position, states, memory_mask, mask)[:, -1])

    def read(
        self,
        ids: Tensor,
        position: int | Tensor,
        states: Sequence[LayerState],
        memory_mask: Tensor | None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """As ``decode``, -> the last states (R, T, D)."""
        ids = ids[:, None] if ids.ndim == 1 else ids
        x = self._embed(ids, at=position)
        seen: dict[str, Any] = {"mask": mask, "memory_mask": memory_mask, "at": position}
        return self.decoder(x, states=states, **seen, **self._beside(x, ids))

    def logits_of(self, y: Tensor) -> Tensor:
        """The last states (..., D) -> logits (..., V), in float32 if they would be less precise."""
        logits = self.logits(self._scaled(y))
        return logits.float() if logits.dtype.itemsize < 4 else logits

    def _advance(
        self, ids: np.ndarray, state: DecoderState | StaticState, choice: Choice
    ) -> Chosen:
        with inference(self):
            return state.advance(self, ids, choice)

    def _ids(self, ids: np.ndarray | Tensor) -> Tensor:
        return torch.as_tensor(ids, dtype=torch.int64, device=next(self.parameters()).device)

    def _embed(
        self,
        ids: Tensor,
        rng: np.random.Generator | None = None,
        at: int | Tensor = 0,
    ) -> Tensor:
        raise NotImplementedError

    def _project(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def _beside(self, x: Tensor, ids: Tensor) -> dict[str, Tensor]:
        """What layers read beside x (R, T, D), of ids (R, T): arguments of the stack."""
        return {}

    def logits(self, y: Tensor) -> Tensor:
        """The last states (..., D) -> logits (..., V)."""
        return self._project(y)

    def _scaled(self, y: Tensor) -> Tensor:
        """The last states as they are projected to the logits."""
        return y if self.output_scale == 1 else y * self.output_scale

    def too_long(self, length: int) -> ShapeError:
        """What to raise for a sequence of ``length`` tokens."""
        raise NotImplementedError


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
