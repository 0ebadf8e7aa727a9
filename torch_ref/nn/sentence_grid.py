"""Rows that decode the same sentence, side by side, so that one memory serves all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class SentenceGrid:
    """Where each row of a batch stands in a grid (B sentences, K places); some places are empty.

    ``sentence`` (R,) says which of the ``sentences`` a row decodes. The grid is worked out on the
    host; what a step needs of it lies on ``device``. K is ``places``, or as many as it takes.
    """

    def __init__(
        self,
        sentence: np.ndarray,
        sentences: int,
        device: torch.device,
        *,
        places: int = 1,
    ) -> None:
        taken = [0] * sentences
        place = []
        for one in sentence.tolist():
            place.append(taken[one])
            taken[one] += 1
        self.shape = sentences, max([places, *taken])
        # (R,), counted through the grid sentence by sentence
        self.cell = sentence * self.shape[1] + np.array(place, dtype=np.int64)
        full = len(place) == sentences * self.shape[1] and (np.diff(self.cell) == 1).all()
        self.index = None if full else torch.as_tensor(self.cell, device=device)

    def spread(self, x: Tensor) -> Tensor:
        """x (R, 1, D) -> (B, K, D), zeros at places that are empty."""
        if self.index is not None:
            grid = x.new_zeros(self.shape[0] * self.shape[1], 1, x.shape[2])
            x = grid.index_copy_(0, self.index, x)
        return x.reshape(*self.shape, x.shape[2])

    def collect(self, x: Tensor) -> Tensor:
        """x (B, K, D) -> (R, 1, D), the reverse of ``spread``."""
        x = x.reshape(-1, 1, x.shape[2])
        return x if self.index is None else x.index_select(0, self.index)
