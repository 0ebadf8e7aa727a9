"""Where a decoding stands, between one step of the Transformer and the next.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.layer_state import LayerState
from npformer.nn.module import Array
from npformer.nn.sentence_grid import SentenceGrid
from npformer.ops.masks import document_positions, documents_mask


class DecoderState:
    """What each layer keeps, and which sentence each row of the batch decodes.

    With a memory, every sentence has one row at first; a search repeats, reorders and drops rows by
    ``select``. Without one, a row is a sequence of its own; ``documents`` say which of its first
    tokens are padding, or of other texts than the last one, which goes on.
    """

    def __init__(
        self,
        layers: list[LayerState],
        memory_mask: Array | None = None,
        documents: Array | None = None,
    ) -> None:
        self.layers = layers
        self.memory_mask = memory_mask  # (B, 1, 1, S)
        self.documents = documents  # (R, T), of the first T ids
        self.length = 0  # ids given so far
        self.sentence = np.arange(0 if memory_mask is None else len(memory_mask))  # (R,)

    def place(self, count: int) -> tuple[int | Array, Array | None]:
        """Of the next ``count`` ids: their positions, and what they see of all up to the last."""
        if self.documents is None:
            return self.length, None
        end = self.length + count
        of_all = self.documents[:, np.minimum(np.arange(end), self.documents.shape[1] - 1)]
        new = slice(self.length, end)
        return document_positions(of_all)[:, new], documents_mask(of_all)[:, :, new]

    def rewind(self, length: int) -> None:
        """Forget all but the first ``length`` ids, as if the others had never been given.

        Raises ``ShapeError`` for more than a window's cache can take back.
        """
        for layer in self.layers:
            layer.rewind(length)
        self.length = length

    def select(self, rows: Array) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once.

        The memory of a sentence goes with its last row.
        """
        for layer in self.layers:
            layer.select(rows)
        if self.documents is not None:
            self.documents = self.documents[rows]
        if self.memory_mask is not None:
            self.memory_mask = self._select_sentences(rows, self.memory_mask)

    def _select_sentences(self, rows: Array, mask: Array) -> Array:
        held, self.sentence = np.unique(self.sentence[rows], return_inverse=True)
        if len(held) < len(mask):
            mask = mask[held]
            for layer in self.layers:
                layer.select_sentences(held)
        grid = SentenceGrid(self.sentence)
        for layer in self.layers:
            if layer.memory is not None:
                layer.memory.grid = grid
        return mask
