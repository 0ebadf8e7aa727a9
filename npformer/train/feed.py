"""The order of the training batches: a function of (seed, epoch), so a place is two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from npformer.errors import CorpusError
from npformer.text.batches import Batch


class BatchSource(Protocol):
    """What the loop needs of ``npformer.text.batches.Batches``."""

    def epoch(self, number: int) -> Sequence[np.ndarray]:
        """The rows of each batch of an epoch, in order; the same for the same number."""
        ...

    def batch(self, rows: Any) -> Batch:
        """The batch of these rows."""
        ...


class Feed:
    """Hands out batches from (``epoch``, ``index``) on, and knows where it stands."""

    def __init__(self, source: BatchSource, epoch: int = 0, index: int = 0) -> None:
        self._source = source
        self.epoch, self.index = epoch, index
        self._order = source.epoch(epoch)

    def next(self) -> Batch:
        """The next batch; after an epoch's last one comes the next epoch's first."""
        if self.index >= len(self._order):
            self.epoch, self.index = self.epoch + 1, 0
            self._order = self._source.epoch(self.epoch)
            if not len(self._order):
                raise CorpusError("there are no sentence pairs to train on")
        self.index += 1
        return self._source.batch(self._order[self.index - 1])
