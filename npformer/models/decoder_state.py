"""Where a decoding stands, between one step of the Transformer and the next.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.key_value_cache import KeyValueCache
from npformer.nn.module import Array
from npformer.nn.sentence_grid import SentenceGrid


class DecoderState:
    """What each layer keeps, the mask of the sentences, and which of them each row decodes.

    At first every sentence has one row; a search repeats, reorders and drops rows by ``select``.
    """

    def __init__(self, layers: list[KeyValueCache], memory_mask: Array) -> None:
        self.layers = layers
        self.memory_mask = memory_mask  # (B, 1, 1, S)
        self.length = 0  # ids given so far
        self.sentence = np.arange(len(memory_mask))  # (R,), each one's place in the memory
        self.grid = SentenceGrid(self.sentence)

    def select(self, rows: Array) -> None:
        """Keep ``rows`` of the batch, in that order; a row may come more than once.

        The memory of a sentence goes with its last row.
        """
        held, self.sentence = np.unique(self.sentence[rows], return_inverse=True)
        if len(held) < len(self.memory_mask):
            self.memory_mask = self.memory_mask[held]
            for layer in self.layers:
                layer.select_sentences(held)
        self.grid = SentenceGrid(self.sentence)
        for layer in self.layers:
            layer.select(rows)
