"""Rows that decode the same sentence, side by side, so that one memory serves all of them.

To cross-attention the hypotheses of a sentence are what the positions of a target are in training:
so many queries over one set of keys and values. Put into a grid of sentences and places, they need
no copy of the memory each.

Chapter     walkthroughs/12_decoding.md
"""

from __future__ import annotations

import numpy as np

from npformer.nn.module import Array


class SentenceGrid:
    """Where each row of a batch stands in a grid (B sentences, K places); some places are empty.

    ``sentence`` (R,) says which of the B sentences, each of which occurs, a row decodes.
    """

    def __init__(self, sentence: Array) -> None:
        counts = np.bincount(sentence)
        self.shape = len(counts), int(counts.max(initial=0))  # (B, K)
        by_sentence = np.argsort(sentence, kind="stable")
        place = np.empty_like(by_sentence)
        place[by_sentence] = np.arange(len(sentence)) - np.repeat(
            np.cumsum(counts) - counts, counts
        )
        self._cell = sentence * self.shape[1] + place  # (R,), counted through the grid
        cells = np.arange(self.shape[0] * self.shape[1])
        self._in_order = np.array_equal(self._cell, cells)  # and no place is empty

    def spread(self, x: Array) -> Array:
        """x (R, 1, D) -> (B, K, D), zeros at places that are empty."""
        if self._in_order:
            return x.reshape(*self.shape, x.shape[2])
        grid = np.zeros((self.shape[0] * self.shape[1], x.shape[2]), x.dtype)
        grid[self._cell] = x[:, 0]
        return grid.reshape(*self.shape, x.shape[2])

    def collect(self, x: Array) -> Array:
        """x (B, K, D) -> (R, 1, D), the reverse of ``spread``."""
        x = x.reshape(-1, 1, x.shape[2])
        return x if self._in_order else x[self._cell]
