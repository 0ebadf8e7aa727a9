"""Where a decoding stands, between one step of the Transformer and the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_ref.models.choice import Choice, Chosen
from torch_ref.models.decodes import Decodes
from torch_ref.nn.layer_state import LayerState
from torch_ref.nn.sentence_grid import SentenceGrid
from torch_ref.ops.masks import document_positions, documents_mask


class DecoderState:
    """What each layer keeps, and which sentence each row of the batch decodes.

    With a memory, every sentence has one row at first; a search repeats, reorders and drops rows by
    ``select``. Without one, a row is a sequence of its own; ``documents`` say which of its first
    tokens are padding, or of other texts than the last one, which goes on.
    """

    def __init__(
        self,
        layers: list[LayerState],
        device: torch.device,
        memory_mask: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> None:
        self.layers = layers
        self.memory_mask = memory_mask  # (B, 1, 1, S)
        self.documents = documents  # (R, T), of the first T ids; on the host
        self.length = 0  # ids given so far
        self.sentence = np.arange(0 if memory_mask is None else len(memory_mask))  # (R,)
        self._device = device

    def advance(self, model: Decodes, ids: np.ndarray, choice: Choice) -> Chosen:
        """The step after ``ids`` (R,): what ``choice`` takes of the rows' logits."""
        newest = torch.as_tensor(ids, dtype=torch.int64, device=self._device)
        return choice(model.logits_of(self._read(model, newest)[:, -1]))

    def score(self, model: Decodes, ids: np.ndarray) -> Tensor:
        """The step after ``ids`` (R, T): logits (R, T, V) of what follows each of them."""
        newest = torch.as_tensor(ids, dtype=torch.int64, device=self._device)
        return model.logits_of(self._read(model, newest))

    def rewind(self, length: int) -> None:
        """Forget all but the first ``length`` ids, as if the others had never been given.

        Raises ``ShapeError`` for more than a window's cache can take back.
        """
        for layer in self.layers:
            layer.rewind(length)
        self.length = length

    def _read(self, model: Decodes, ids: Tensor) -> Tensor:
        """ids (R,) or (R, T) -> their last states (R, T, D)."""
        count = 1 if ids.ndim == 1 else ids.shape[1]
        at, mask = self._place(count, model)
        y = model.read(ids, at, self.layers, self.memory_mask, mask)
        self.length += count
        return y

    def _place(self, count: int, model: Decodes) -> tuple[int | Tensor, Tensor | None]:
        """Of the next ``count`` ids: their positions, and what they see of all up to the last."""
        if self.documents is None:
            return self.length, None
        end = self.length + count
        last = self.documents[:, -1:]
        of_all = torch.cat([self.documents, last.expand(-1, end)], dim=1)[:, :end]
        at = document_positions(of_all)[:, self.length :]
        if at.numel() and (longest := int(at.max()) + 1) > model.config.max_length:
            raise model.too_long(longest)
        mask = documents_mask(of_all)[:, :, self.length :]
        return at.to(self._device), mask.to(self._device)

    @torch.inference_mode()
    def select(self, rows: np.ndarray) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once.

        The memory of a sentence goes with its last row.
        """
        index = torch.as_tensor(rows, dtype=torch.int64, device=self._device)
        for layer in self.layers:
            layer.select(index)
        if self.documents is not None:
            self.documents = self.documents[torch.as_tensor(rows, dtype=torch.int64)]
        if self.memory_mask is not None:
            self.memory_mask = self._select_sentences(rows, self.memory_mask)

    def _select_sentences(self, rows: np.ndarray, mask: Tensor) -> Tensor:
        held, self.sentence = np.unique(self.sentence[rows], return_inverse=True)
        if len(held) < len(mask):
            kept = torch.as_tensor(held, device=self._device)
            mask = mask[kept]
            for layer in self.layers:
                layer.select_sentences(kept)
        grid = SentenceGrid(self.sentence, len(held), self._device)
        for layer in self.layers:
            if layer.memory is not None:
                layer.memory.grid = grid
        return mask
