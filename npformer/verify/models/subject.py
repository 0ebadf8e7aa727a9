"""What is checked: a model that can be run, differentiated and watched, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls
from npformer.verify.models.inputs import Inputs

Gradients = dict[str, Array]
STEP = 1e-3
"""By how much of its size a parameter is moved, to see whether it matters."""


class Run(NamedTuple):
    """One forward."""

    y: Array
    """(B, T, ...)"""
    backward: Callable[[Array], Gradients]
    """dy -> by stream, the gradient of what it holds, or of the vectors that its ids look up.

    Parameters gather theirs."""


class Subject(Protocol):
    """A model; nothing that is done to it reaches the caller's own."""

    name: str
    module: Any

    @property
    def dtype(self) -> str:
        """In which it computes, in words."""

    @property
    def eps(self) -> float:
        """Of that dtype."""

    def forward(
        self,
        inputs: Inputs,
        seed: int,
        training: bool = False,
        more: Mapping[str, Any] | None = None,
    ) -> Run:
        """Every random draw comes from ``seed``; ``more`` are arguments of its own."""

    def look_inside(self, inputs: Inputs) -> None:
        """Find out in which dtypes it computes; ``eps`` and ``dtype`` are then of the narrowest."""

    def zero(self) -> None:
        """Forget the parameters' gradients."""

    def gradients(self) -> dict[str, Array | None]:
        """Of every trainable parameter, by path; None for one that nothing reached."""

    def moved(self, path: str, seed: int) -> AbstractContextManager[None]:
        """A slightly different value for one parameter, for a time."""

    def watching(self, calls: Calls) -> AbstractContextManager[None]:
        """Note every module's call, for a time."""

    def modules(self) -> Iterator[tuple[str, Any]]:
        """Path and module."""

    def takes(self, argument: str) -> bool:
        """Whether its forward has an argument of that name."""

    def load(self, other: Any) -> None:
        """Take the parameters of another module."""

    def step_by(self, step: Callable[..., Any]) -> Callable[[Inputs, int], Iterator[Array]]:
        """As ``stepper``, by a function of the caller's."""

    def stepper(self) -> Callable[[Inputs, int], Iterator[Array]] | None:
        """(inputs, seed) -> the outputs one position after the other, from a cache; if it can."""
