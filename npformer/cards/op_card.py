"""The card of an op: a pair of pure functions beside PyTorch's function of the same arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.card import Card
from npformer.cards.case import Array, Case, Frozen
from npformer.cards.letters import axes, draw_by_letters, example_by_letters, letters_of
from npformer.cards.pytorch import ops
from npformer.cards.scales import Scales
from npformer.cards.strategies import Source

Op = Callable[..., Any]
Static = dict[str, Any]


class Library(NamedTuple):
    """The function of ``torch.nn.functional`` by which a model in PyTorch calls the op."""

    name: str
    read: Callable[..., dict[str, Any]]
    """Its arguments -> the op's, by name."""
    call: Callable[[Any, dict[str, Any]], Any]
    """(function, the op's arguments) -> its result."""


class OpCard(Card):
    """What is to be known of one op; the attributes below are for its file to set."""

    kind = "op"
    needed = ("twin", "scales", "invariants")

    static: Mapping[str, Sequence[Any]]
    """What the arguments that are no arrays may be."""
    least: Mapping[str, int]
    """Of a letter, the smallest size that makes sense, where it is not 0."""
    precise: Callable[..., Any] | None = None
    """A float64 PyTorch formula more exact than the library's own, where that is needed."""
    extended: tuple[Op, Op] | None = None
    """The op for extended precision, where the package's holds float64 constants."""
    scales: Callable[..., Scales]
    """(**arguments, dy, fp) -> S of every result; see ``npformer.cards.scales``."""
    kink: float | Callable[[Static], float] | None = None
    """Where the op has kinks, at that number and its negative, or at what the static arguments make
    of it: a line that passes within 0.01 of one is not differentiated."""
    library: Library | None = None
    library_scales: Callable[[Scales, dict[str, Any], Any], Scales] | None = None
    """(scales, arguments, dy) -> scales, where PyTorch's own formula rounds more than it must."""
    constants: Sequence[str] = ()
    """Arrays that the forward takes and that have no gradient: a table, a frozen weight."""
    owner: str = ""
    """A class of ``npformer.nn`` or ``npformer.models`` that calls the op; in its twin, ``bisect``
    sees the op as one call."""
    variants: Sequence[Static] = ()
    """Static arguments of further examples, besides the defaults."""

    def __init__(self, module: ModuleType) -> None:
        name = module.__name__.rpartition(".")[2]
        super().__init__(name, module.__name__)
        self.pair: tuple[Op, Op] = (
            vars(module)[f"{name}_forward"],
            vars(module)[f"{name}_backward"],
        )
        self.letters = letters_of(self.pair[0])
        """The shape of each argument and of y, ``{"x": "...D", "weight": "D", "y": "...D"}``."""
        self.static, self.least = {}, {}
        self.frozen: Callable[[Case], Frozen] = lambda case: {}
        """By input, what gets no gradient although the output depends on it, if anything."""
        self.plain: Callable[[Case], bool] = lambda case: True
        """Whether a case asks for nothing that the arguments' names do not show: a function of
        somebody's with the same arguments need not know fewer heads of keys than of queries."""
        self.edges: dict[str, tuple[dict[str, Any], Static]] = {}
        """By a few words, inputs and static arguments that must be looked at whatever is drawn."""
        self._draw: Callable[[Source, Any], Case] | None = None
        self._example: (
            Callable[[int, np.random.Generator], tuple[dict[str, Array], Static]] | None
        ) = None

    @classmethod
    def of(cls, module: ModuleType) -> OpCard:
        """The card of the op in a file of ``npformer.ops``; KeyError if it holds no pair."""
        return cls(module)

    @functools.cached_property
    def twin(self) -> Any:
        """The op's arguments as tensors -> its result; the backward is autograd's.

        The function of ``torch_ref.ops`` by the op's name, unless its file sets another.
        """
        return getattr(ops, self.name, None)

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """Of the forward, by name."""
        return dict(inspect.signature(self.pair[0]).parameters)

    def axes(self, argument: str, ndim: int) -> str:
        """Letters for the axes of an argument, or of ``dy``; empty where they are not known."""
        return axes(self.letters.get("y" if argument == "dy" else argument, ""), ndim)

    def draw(self, draw: Callable[[Source, Any], Case]) -> Any:
        """Decorator: how a case is drawn, where letters and ``static`` do not say enough."""
        self._draw = draw
        return draw

    def drawn(self, source: Source, dtype: Any) -> Case:
        """A case."""
        if self._draw is not None:
            return self._draw(source, dtype)
        return draw_by_letters(source, dtype, self.letters, self.static, self.least)

    def example(self, example: Callable[[int, np.random.Generator], Any]) -> Any:
        """Decorator: (rows, rng) -> inputs, static, where the letters do not say enough."""
        self._example = example
        return example

    def examples(
        self, rows: int, rng: np.random.Generator
    ) -> list[tuple[dict[str, Array], Static]]:
        """Plain inputs with ``rows`` along their first axis, once for each of the variants."""
        make = self._example or (lambda b, rng: (example_by_letters(self.letters, b, rng), {}))
        found = []
        for variant in ({}, *self.variants):
            inputs, static = make(rows, rng)
            found.append((inputs, {**static, **variant}))
        return found

    def smooth(self, arrays: Iterable[Array], static: Static) -> bool:
        """Whether all entries of the op's inputs are far enough from its kinks."""
        if self.straight_through:
            return False
        kink = self.kink(static) if callable(self.kink) else self.kink
        return kink is None or all((np.abs(np.abs(a) - kink) > 0.01).all() for a in arrays)

    def edge(self, words: str, inputs: Mapping[str, Any], **static: Any) -> None:
        """Inputs that must be looked at, whatever is drawn."""
        self.edges[words] = (dict(inputs), static)

    def scale(self, scales: Any) -> Any:
        """Decorator: S of every result."""
        self.scales = scales
        return scales

    def wrong_forward(self, name: str, wrong: str, **seen: Any) -> Callable[[Any], Any]:
        """The decorated function takes the place of the forward; ``wrong_method`` says more."""
        return self._wrong(name, wrong, "forward", **seen)

    def wrong_backward(
        self, name: str, wrong: str, *, beyond_forward: bool = False, **seen: Any
    ) -> Callable[[Any], Any]:
        """The decorated (dy, cache) -> gradients takes the place of the backward."""
        return self._wrong(name, wrong, "backward", beyond_forward=beyond_forward, **seen)
