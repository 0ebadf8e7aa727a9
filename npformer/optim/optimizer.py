"""What all optimizers share: the count of steps, the moments, and the walk over blocks.

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from npformer.errors import ShapeError
from npformer.nn.module import Array
from npformer.optim.flat import FlatParameters

BLOCK = 32_768
"""Elements updated at a time, so that a block of every buffer involved fits in a core's cache."""


class Optimizer:
    """Changes the weights of ``flat`` by its gradients, which it only reads.

    ``step`` does everything on the calling thread. To share the work between threads, call
    ``advance`` once, then ``apply`` on each of ``ranges`` from any threads.

    Some keep two sequences of weights: gradients are taken at one, and the other is the result.
    ``train`` puts the first into ``flat``, ``eval`` the second; of one sequence both do nothing.
    """

    moments: tuple[str, ...] = ()  # names of the buffers that the optimizer remembers
    takes_rates: ClassVar[bool] = False
    """Whether ``rates`` may be given, which are Adam's by the width (``npformer/nn/widths.py``)."""

    def __init__(self, flat: FlatParameters) -> None:
        self.flat = flat
        self.rates: Mapping[str, float] = {}
        """Of some parameters, by path, a factor of the learning rate."""
        self.steps = 0
        self.buffers: dict[str, Array] = {name: np.zeros_like(flat.data) for name in self.moments}

    def step(self, learning_rate: float, grad_scale: float = 1.0) -> None:
        """One update of all weights by ``grad_scale`` times the gradients."""
        self.advance()
        self.apply(learning_rate, grad_scale)

    def train(self) -> None:
        """Have the weights in ``flat`` at which gradients are taken."""

    def eval(self) -> None:
        """Have the weights in ``flat`` that are evaluated, and saved."""

    def advance(self) -> None:
        """Count one more step; every ``apply`` until the next ``advance`` belongs to it."""
        self.steps += 1

    def ranges(self, count: int) -> list[slice]:
        """``count`` disjoint ranges of the buffer, some perhaps empty: a share for each thread."""
        bounds = np.linspace(0, self.flat.data.size, count + 1).astype(int).tolist()
        return [slice(start, stop) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]

    def apply(
        self,
        learning_rate: float,
        grad_scale: float = 1.0,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """The current step's update of elements ``start`` to ``stop`` of the flat buffers."""
        stop = self.flat.data.size if stop is None else stop
        scratch = np.empty((2, min(BLOCK, max(stop - start, 0))), self.flat.data.dtype)
        for part, factor in self._parts(start, stop):
            for first in range(part.start, part.stop, BLOCK):
                block = slice(first, min(first + BLOCK, part.stop))
                gradient, spare = scratch[:, : block.stop - first]
                self.flat.scaled_gradient(block, grad_scale, gradient)
                moments = [buffer[block] for buffer in self.buffers.values()]
                rate = learning_rate * factor
                self.update(self.flat.data[block], gradient, moments, spare, rate)

    def _parts(self, start: int, stop: int) -> Iterator[tuple[slice, float]]:
        """The parameters from start to stop that have one factor of the rate, side by side."""
        if not self.rates:
            yield slice(start, stop), 1.0
            return
        begin, factor = start, None
        for path, span in self.flat.spans().items():
            if max(span.start, start) < min(span.stop, stop):
                own = self.rates.get(path, 1.0)
                if factor is not None and own != factor:
                    yield slice(begin, span.start), factor
                    begin = span.start
                factor = own
        if factor is not None:
            yield slice(begin, stop), factor

    def update(
        self,
        weight: Array,
        gradient: Array,
        moments: list[Array],
        spare: Array,
        learning_rate: float,
    ) -> None:
        """Apply the formula to one block, in place; ``gradient`` and ``spare`` are scratch."""
        raise NotImplementedError

    def arrays(self) -> dict[str, Array]:
        """What the optimizer remembers, as ``moment/path``: views, not copies."""
        return {
            f"{name}/{path}": view
            for name, buffer in self.buffers.items()
            for path, view in self.flat.views(buffer).items()
        }

    def state(self) -> dict[str, Array]:
        """``step`` (int64 scalar) and the ``arrays``, which go with the evaluated weights."""
        self.eval()
        return {"step": np.array(self.steps, np.int64), **self.arrays()}

    def restore(self, state: dict[str, Array]) -> None:
        """Copy ``state`` back in; raises ``ShapeError`` unless names, shapes and dtypes agree."""
        own = self.state()
        if differing := sorted(own.keys() ^ state.keys()):
            raise ShapeError(
                f"the optimizer's state and the given one differ in {differing[0]!r}; "
                f"{type(self).__name__} keeps {', '.join(_kinds(own))}"
            )
        for name, array in own.items():
            given = state[name]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ShapeError(
                    f"the optimizer's {name!r} is {given.dtype} {given.shape}; "
                    f"it must be {array.dtype} {array.shape}"
                )
        for name, array in own.items():
            array[...] = state[name]
        self.steps = int(state["step"])


def _kinds(state: dict[str, Array]) -> list[str]:
    return list(dict.fromkeys(name.partition("/")[0] for name in state))
