"""The order of the training batches: a function of (seed, epoch), so a place is two numbers.

Batches are built ahead by a thread of their own, so that the engine finds the next one ready;
``waited`` says for how long it did not.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

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


class _Place(NamedTuple):
    epoch: int
    batch: int  # the one that comes next


class Feed:
    """Hands out batches from (``epoch``, ``index``) on, and knows where it stands.

    ``share`` is (rank, size): this rank's rows of every batch, each ``size``-th from ``rank`` on. A
    rank for which none is left gets a row without a valid token, as it must take part. ``ahead``
    batches are kept ready, built by a thread that ``close`` lets go.
    """

    def __init__(
        self,
        source: BatchSource,
        epoch: int = 0,
        index: int = 0,
        *,
        share: tuple[int, int] = (0, 1),
        ahead: int = 0,
    ) -> None:
        self._source, self._share = source, share
        self.epoch, self.index = epoch, index
        self.waited = 0.0
        """Seconds that ``next`` has waited for a batch so far."""
        self._next = _Place(epoch, index)  # the first that is not asked for yet
        self._order = source.epoch(epoch)
        self._ahead = ahead
        self._worker = ThreadPoolExecutor(1, "feed") if ahead else None
        self._ready: deque[Future[tuple[Batch, _Place]]] = deque()

    def next(self) -> Batch:
        """The next batch; after an epoch's last one comes the next epoch's first."""
        began = time.perf_counter()
        if self._worker:
            while len(self._ready) <= self._ahead:
                self._ready.append(self._worker.submit(self._build))
            batch, place = self._ready.popleft().result()
        else:
            batch, place = self._build()
        self.epoch, self.index = place
        self.waited += time.perf_counter() - began
        return batch

    def close(self) -> None:
        """Let the thread go, with the batches that nobody fetched."""
        if self._worker:
            self._worker.shutdown(cancel_futures=True)

    def _build(self) -> tuple[Batch, _Place]:
        """The batch after the last one built, and the place behind it."""
        epoch, index = self._next
        if index >= len(self._order):
            epoch, index = epoch + 1, 0
            self._order = self._source.epoch(epoch)
            if not len(self._order):
                raise CorpusError("there are no sentence pairs to train on")
        rows = self._order[index]
        self._next = _Place(epoch, index + 1)
        rank, size = self._share
        if size == 1:
            return self._source.batch(rows), self._next
        if rank < len(rows):
            return self._source.batch(rows[rank::size]), self._next
        batch = self._source.batch(rows[:1])
        nothing = np.full_like(batch.targets, batch.no_target)
        return dataclasses.replace(batch, targets=nothing), self._next
