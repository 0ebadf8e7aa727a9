"""Where a decoding stands, between one step of the Transformer and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from torch_ref.models.choice import Choice, Chosen
from torch_ref.nn.key_value_cache import KeyValueCache
from torch_ref.nn.sentence_grid import SentenceGrid

if TYPE_CHECKING:
    from torch_ref.models.transformer import Transformer


class DecoderState:
    """What each layer keeps, the mask of the sentences, and which of them each row decodes.

    At first every sentence has one row; a search repeats, reorders and drops rows by ``select``.
    """

    def __init__(self, layers: list[KeyValueCache], memory_mask: Tensor) -> None:
        self.layers = layers
        self.memory_mask = memory_mask  # (B, 1, 1, S)
        self.length = 0  # ids given so far
        self.sentence = np.arange(len(memory_mask))  # (R,), each one's place in the memory
        self.grid = SentenceGrid(self.sentence, len(memory_mask), memory_mask.device)

    def advance(self, model: Transformer, ids: np.ndarray, choice: Choice) -> Chosen:
        """The step after ``ids`` (R,): what ``choice`` takes of the rows' logits."""
        newest = torch.as_tensor(ids, dtype=torch.int64, device=self.memory_mask.device)
        y = model.embed_next(newest, self.length)
        y = model.decoder.step(y, self.layers, self.memory_mask, self.grid)
        self.length += 1
        return choice(model.next_logits(y))

    @torch.inference_mode()
    def select(self, rows: np.ndarray) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once.

        The memory of a sentence goes with its last row.
        """
        device = self.memory_mask.device
        held, self.sentence = np.unique(self.sentence[rows], return_inverse=True)
        if len(held) < len(self.memory_mask):
            kept = torch.as_tensor(held, device=device)
            self.memory_mask = self.memory_mask[kept]
            for layer in self.layers:
                layer.select_sentences(kept)
        self.grid = SentenceGrid(self.sentence, len(held), device)
        index = torch.as_tensor(rows, dtype=torch.int64, device=device)
        for layer in self.layers:
            layer.select(index)
