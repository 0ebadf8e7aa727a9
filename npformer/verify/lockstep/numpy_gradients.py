"""What a module does to parameters' gradients past ``Parameter.accumulate``.

A module may write ``weight.grad = ...`` or ``weight.grad += ...`` itself. So what every gradient is
known to hold is compared with what it holds, where a method's backward begins and ends, and the
difference is what was added in between by whatever ran then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from npformer.verify.lockstep.visits import Array, is_within, real


class Untold(NamedTuple):
    """A change of a parameter's gradient that nobody told of."""

    path: str
    added: Array
    """What is there less what was; all that is there if that has another shape."""
    before: Array
    """What was there."""


class Gathered:
    """The gradient of every parameter, as far as it is known."""

    def __init__(self, model: Any) -> None:
        self._parameters = {id(p): (path, p) for path, p in model.named_parameters()}
        self._known: dict[str, Array | None] = {}
        self._held: dict[str, Any] = {}  # the array that was there, not to be compared anew
        for path, parameter in self._parameters.values():
            self.told(path, parameter)

    def told(self, path: str, parameter: Any, same: Array | None = None) -> None:
        """What a parameter's gradient holds now is known; ``same`` is an array that holds it."""
        grad = self._held[path] = parameter.grad
        if same is None and grad is not None:
            same = np.array(grad)
        self._known[path] = same

    def in_the_end(self) -> dict[str, Array]:
        """Of every parameter, once all is told: the arrays that are known, or zeros."""
        return {
            path: np.broadcast_to(np.zeros((), one.data.dtype), one.data.shape)
            if (known := self._known[path]) is None
            else known
            for path, one in self._parameters.values()
        }

    def untold(self, within: str, parameter: Any = None) -> Iterator[Untold]:
        """What has changed untold below a module's path, or of one parameter; it is told now.

        Elsewhere only another array is noticed: what is written into one is, where a module ends
        that has the parameter.
        """
        found = self._parameters.values()
        for path, one in found if parameter is None else (self._parameters[id(parameter)],):
            grad, known = one.grad, self._known[path]
            if grad is self._held[path] and (grad is None or not is_within(path, within)):
                continue
            if grad is None and known is None:
                continue
            if grad is None or known is None or not equal(grad, known):
                now = np.zeros_like(one.data) if grad is None else np.array(grad)
                before = np.zeros_like(now) if known is None else known
                added = now - before if now.shape == before.shape else now
                self.told(path, one)
                yield Untold(path, added, before)
            self._held[path] = grad


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same, NaN for NaN."""
    if np.shape(a) != np.shape(b):
        return False
    return bool(np.all(a == b)) or np.array_equal(a, b, equal_nan=real(a))
