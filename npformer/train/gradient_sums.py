"""One gradient of each parameter for all workers, summed as their backwards make the shares.

A share becomes the sum, or is added to it, when it is its turn: the first one of worker 0, the
first of worker 1, and so on round. One that comes before its turn is kept until then. So the order
of a sum, and its last bit, depends on the number of workers and not on their pace, and no worker
waits for another. The first two shares of all may come in either order, for a + b is b + a; of two
workers and a weight that is used once there are no others.

A share may be of some rows alone, such as an embedding's of the words that occur, and is then no
larger than these.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from threading import Lock
from typing import ClassVar, NamedTuple

import numpy as np

from npformer.models.model import Model
from npformer.nn.module import Array, Parameter
from npformer.optim import FlatParameters
from npformer.seam import method


class Rows(NamedTuple):
    """A share that is 0 but in some rows."""

    at: Array | slice
    values: Array


class GradientSum:
    """The shares of the gradient of ``parameter``; ``total`` is None until there is one."""

    def __init__(self, parameter: Parameter) -> None:
        self.total: Array | None = None
        self._data = parameter.data
        self._lock = Lock()
        self.begin(1)

    def begin(self, workers: int) -> None:
        """Shares of so many workers are to come."""
        self._turn = 0
        self._waiting: list[deque[Array | Rows]] = [deque() for _ in range(workers)]
        self._early = False  # whether worker 1's first share has been taken before worker 0's

    def add(self, worker: int, share: Array | Rows) -> None:
        """Add a share, now or at its turn; it must not be used or changed from then on."""
        with self._lock:
            if worker == 1 and self.total is None and not self._early:
                self._early = True
                self._take(share)
                return
            self._waiting[worker].append(share)
            while self._waiting[self._turn]:
                self._take(self._waiting[self._turn].popleft())
                self._turn = (self._turn + 1) % len(self._waiting)
                if self._early:
                    self._early, self._turn = False, 2 % len(self._waiting)

    def end(self) -> None:
        """Add what is still kept: no more is to come."""
        for waiting in self._waiting:
            while waiting:
                self._take(waiting.popleft())

    def _take(self, share: Array | Rows) -> None:
        if isinstance(share, Rows):
            if self.total is None:
                self.total = np.zeros_like(self._data)
            self.total[share.at] += share.values
        elif self.total is not None:
            self.total += share
        elif share.flags.owndata and share.flags.carray:
            self.total = share
        else:
            self.total = share.copy()


class SharedParameter(Parameter):
    """A worker's parameter, whose gradient goes to the sum of all workers."""

    __slots__ = ("_sum", "_worker")

    takes_rows: ClassVar[bool] = True

    def __init__(self, data: Array, into: GradientSum, worker: int) -> None:
        super().__init__(data)
        self._sum, self._worker = into, worker

    @method
    def accumulate(self, gradient: Array) -> None:
        """Give ``gradient``, of the parameter's shape, away."""
        self._sum.add(self._worker, gradient)

    @method
    def accumulate_rows(self, rows: Array | slice, gradient: Array) -> None:
        """Give ``gradient``, of those rows, away; each is named once."""
        self._sum.add(self._worker, Rows(rows, gradient))


class SummedParameters(FlatParameters):
    """Flat weights whose gradients are arrays of their own, there from a backward to ``clear``."""

    def _join_gradients(self, groups: list[list[Parameter]]) -> None:
        self.grad = np.zeros(0, self.data.dtype)
        self._groups = groups
        self._sums = dict(zip(self.shapes, (GradientSum(g[0]) for g in groups), strict=True))
        self._by_data = {id(g[0].data): s for g, s in zip(groups, self._sums.values(), strict=True)}
        self._starts = [span.start for span in self.spans().values()]
        self.clear()

    def replica(self, model: Model, worker: int) -> Model:
        """The model with the same weights, whose gradients are the shares of ``worker``."""
        replica = model.replica()
        for _, module in replica.named_modules():
            for name, value in list(vars(module).items()):
                if isinstance(value, Parameter) and value.trainable:
                    into = self._by_data[id(value.data)]
                    setattr(module, name, SharedParameter(value.data, into, worker))
        return replica

    def begin(self, workers: int) -> None:
        """So many workers are about to run a backward."""
        for each in self._sums.values():
            each.begin(workers)

    def end(self) -> None:
        """They are done; the parameters have the sums."""
        for group, each in zip(self._groups, self._sums.values(), strict=True):
            each.end()
            for parameter in group:
                parameter.grad = each.total

    def gradients(self) -> dict[str, Array]:
        """Those that there are, by path."""
        return {path: s.total for path, s in self._sums.items() if s.total is not None}

    def clear(self) -> None:
        """Forget every gradient, and give its memory back."""
        for group, each in zip(self._groups, self._sums.values(), strict=True):
            each.total = None
            for parameter in group:
                parameter.grad = None

    def scaled_gradient(self, part: slice, factor: float, out: Array) -> None:
        """As of any ``FlatParameters``; 0 where there is no gradient."""
        sums = list(self._sums.values())
        at = bisect_right(self._starts, part.start) - 1
        while at < len(sums) and self._starts[at] < part.stop:
            begin, total = self._starts[at], sums[at].total
            stop = self._starts[at + 1] if at + 1 < len(sums) else self.data.size
            here = slice(max(begin, part.start), min(stop, part.stop))
            into = out[here.start - part.start : here.stop - part.start]
            if total is None:
                into.fill(0)
            else:
                flat = total.reshape(-1)[here.start - begin : here.stop - begin]
                np.multiply(flat, factor, out=into)
            at += 1
