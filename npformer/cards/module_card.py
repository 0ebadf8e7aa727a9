"""The card of a module or of a whole model, beside the class of the same name in the twin.

A case draws the module's configuration too: post and pre norm, tied and untied, every activation,
dropout replayed from a seed, T != S, padding. The parameters are part of the case and far from
their initial values, where a weight of 1 would hide a factor and a bias of 0 a term.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from npformer.cards.card import Card
from npformer.cards.case import Case, Frozen
from npformer.cards.module_draws import draw_parameters
from npformer.cards.strategies import Source, draw_array, draw_rng

# Sharper magnitudes belong to the ops: here a result must stay within PyTorch's own range.
KINDS = ("generic", "ties", "constant rows")
BUILDING = ("build", "settings", "sizes")
"""Of a case's static arguments, those that the forward does not take."""


class ModuleCard(Card):
    """What is to be known of one module; the attributes below are for its file to set."""

    kind = "module"
    needed = ("twin", "output", "draws")

    inputs: Mapping[str, str]
    """Letters of the forward's arguments that have a gradient, ``{"x": "BTD"}``."""
    output: str = ""
    """Letters of y."""
    parameters: Mapping[str, str]
    """Letters of its own parameters."""
    draws: Callable[[Source], tuple[dict[str, int], dict[str, Any]]] | None = None
    """source -> a size for each letter, and the static arguments; see ``draw``."""
    only_adds: bool = False
    """Whether it calls no op: its rounding is that of sums, which no op's card knows."""
    causal: Callable[[Mapping[str, Any]], bool | None]
    """The static arguments of a case -> whether no output may see a later position."""
    keeps: tuple[str, ...] = ()
    """Of the static arguments that the forward takes, those that fit every length."""
    call: Callable[..., Any]
    """(module, inputs, keywords) -> y, backward: how the NumPy module is run."""
    call_twin: Callable[..., Any]
    """(module, inputs, keywords) -> y: how the twin is run."""
    clear: Callable[[Any, Case], bool] | None = None
    """(a module of float64, case) -> whether no choice that it makes is a close one."""
    calls: Callable[[Any], str] | None = None
    """A module -> the op that it calls, where its code does not name it."""
    kinds: Sequence[str] = KINDS
    """Of values that inputs may have; where a rounding decides, a tie has two right answers."""
    passes: Mapping[tuple[str, str, str], str]
    """(phase, argument, end of the receiver's name) -> the step that makes what it passes."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls.__name__, cls.__module__)
        self.module = cls
        self.inputs, self.parameters, self.passes = {}, {}, {}
        self.call, self.call_twin = _call, _call_twin
        self.causal = lambda static: True  # what mixes no positions
        self.frozen: Callable[[Case], Frozen] = lambda case: {}
        """What of a parameter gets no gradient although the output depends on it: a row, or all."""
        self.idle: Callable[[Mapping[str, Any]], set[str]] = lambda static: set()
        """The static arguments of a case -> the trainable parameters that no output changes with,
        whatever the inputs."""
        self.plain: Callable[[Case], bool] = lambda case: True
        """Whether a case has nothing that an exercise on the module does not speak of."""

    @classmethod
    def of(cls, module: type) -> ModuleCard:
        """The card of a class of ``npformer.nn`` or ``npformer.models``."""
        return cls(module)

    @property
    def twin(self) -> Any:
        """The class of the same name in the same file of ``torch_ref``.

        Raises ``AttributeError`` if there is none.
        """
        try:
            home = import_module(self.home.replace("npformer.", "torch_ref.", 1))
        except ModuleNotFoundError as error:
            raise AttributeError(f"{self.name} has no twin: {error}") from error
        return getattr(home, self.name)

    @property
    def letters(self) -> dict[str, str]:
        """Letters of every array, ``dy`` for the output."""
        return {**self.inputs, **self.parameters, "dy": self.output}

    def draw(self, draws: Any) -> Any:
        """Decorator: source -> sizes, static.

        An input is drawn if all of its letters have a size. ``static["build"]`` and
        ``static["settings"]`` are the constructor's arguments, by position and by name; the others
        are the forward's.
        """
        self.draws = draws
        return draws

    def smooth(self, clear: Any) -> Any:
        """Decorator: whether a case may be differentiated, as no choice in it is a close one."""
        self.clear = clear
        return clear

    def drawn(self, source: Source, dtype: Any) -> Case:
        """A case: inputs, parameters, and the sizes of letters that stand in no shape."""
        assert self.draws is not None, f"the card of {self.name} draws nothing"
        sizes, static = self.draws(source)
        inputs = {
            name: draw_array(source, _shape(letters, sizes), dtype, kinds=self.kinds)
            for name, letters in self.inputs.items()
            if set(letters) <= sizes.keys()
        }
        parameters = draw_parameters(self.build(static, np.float64), draw_rng(source), dtype)
        dy = draw_array(source, _shape(self.output, sizes), dtype, kinds=self.kinds)
        shown = set("".join(self.letters.values()))
        hidden = {letter: n for letter, n in sizes.items() if letter not in shown}
        if hidden:
            static = {**static, "sizes": hidden}
        return Case({**inputs, **parameters}, static, dy)

    def build(self, static: Mapping[str, Any], dtype: Any) -> Any:
        """The NumPy module of a case."""
        return _made(self.module, static, {"rng": np.random.default_rng(0), "dtype": dtype})

    def build_twin(self, static: Mapping[str, Any], dtype: Any) -> Any:
        """The twin of a case; dropout comes from the replayed generator or not at all."""
        return _made(self.twin, static, {"dtype": dtype}).eval()


def _made(cls: Any, static: Mapping[str, Any], more: dict[str, Any]) -> Any:
    own = {key: value for key, value in more.items() if key in _arguments_of(cls)}
    return cls(*static["build"], **static.get("settings", {}), **own)


@functools.cache
def _arguments_of(cls: Any) -> frozenset[str]:
    return frozenset(inspect.signature(cls).parameters)


def _shape(letters: str, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes[letter] for letter in letters)


def _call(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    y, cache = module.forward(*inputs, **keywords)
    return y, lambda dy: module.backward(dy, cache)


def _call_twin(module: Any, inputs: list[Any], keywords: dict[str, Any]) -> Any:
    return module(*inputs, **keywords)
