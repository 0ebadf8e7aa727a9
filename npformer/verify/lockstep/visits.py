"""What a watched run leaves behind: a visit for every call of a module's method or of an op.

An op is named by its function (``attention``), a method by itself (``forward``, ``project``), and
both stand under the path of the module that they belong to or are called by. So NumPy's
``linear_forward`` and the twin's ``F.linear`` inside ``encoder.layers.0.self_attn.q_proj`` are the
same key, ``("encoder.layers.0.self_attn.q_proj", "linear")``, and calls of one key are counted.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from npformer.cards.discovery import CARDS
from npformer.cards.op_card import OpCard

Array = np.ndarray
Key = tuple[str, str]


class Site(NamedTuple):
    """Where a call happens."""

    path: str
    """Of the module; ``""`` is the model, ``"loss"`` the loss."""
    operation: str
    """A method's name, or an op's."""
    kind: str
    """The module's class, or the op's name."""

    @property
    def key(self) -> Key:
        return self.path, self.operation

    @property
    def is_op(self) -> bool:
        return is_op(self.operation)


@dataclass
class Back:
    """One backward of a visit."""

    dy: Array | None
    """What arrived; None where nothing did."""
    begin: int
    end: int = 0
    gradients: tuple[Array | None, ...] = ()
    """What it returned: of each floating-point argument, in order."""
    shares: dict[str, Array] = field(default_factory=dict)
    """By parameter, what this call itself added to its gradient; its children's left out."""
    beside: dict[str, Array] = field(default_factory=dict)
    """Where that is a difference of what was there before and after: what was there before."""
    overwrote: bool = False
    """Whether it wrote to ``dy`` itself."""
    spoilt: int = 0
    """The tick from which on its numbers are not its own doing, for another call wrote to an array
    that it may read; 0 where none did."""
    where: str = ""
    """The line of source that made the call."""
    source: str = ""
    """Where the source of the backward itself begins."""


@dataclass
class Visit:
    """One call, as the implementation under suspicion made it; every array is a copy."""

    site: Site
    number: int
    """Which call of this key it is, from 0."""
    arguments: dict[str, Any]
    parent: Visit | None
    begin: int
    """Ticks of one clock for the whole run, forward and backward."""
    where: str = ""
    """The line of source that made the call."""
    source: str = ""
    """Where the source of the method or op itself begins."""
    generator: dict[str, Any] | None = None
    """State of the random generator among the arguments, as it was when the call began."""
    end: int = 0
    output: Array | None = None
    cache: Any = None
    overwrote: list[str] = field(default_factory=list)
    """Arguments that it wrote to itself."""
    spoilt: int = 0
    """The tick at which a call inside it first wrote to what it was given; 0 where none did."""
    backs: list[Back] = field(default_factory=list)
    children: list[Visit] = field(default_factory=list, repr=False)
    """The calls that it made, or that were made by what it was given to call."""

    @property
    def back(self) -> Back | None:
        """Its first backward."""
        return self.backs[0] if self.backs else None

    @property
    def label(self) -> str:
        return name_of(self.site, self.number)


class Accumulation(NamedTuple):
    """One ``parameter.accumulate``: what was there, what came, what was there afterwards."""

    parameter: str
    before: Array
    gradient: Array
    after: Array
    tick: int


@dataclass
class Trace:
    """Everything that a run left behind."""

    visits: list[Visit]
    loss: float
    gradients: dict[str, Array]
    """Of every parameter, in the end."""
    accumulations: list[Accumulation]
    dtype: np.dtype
    ticks: int
    unseen: set[str] = field(default_factory=set)
    """Parameters whose gradient changed outside all calls that were watched."""

    def __post_init__(self) -> None:
        self.by_key: defaultdict[Key, list[Visit]] = defaultdict(list)
        for visit in self.visits:
            self.by_key[visit.site.key].append(visit)


def name_of(site: Site, number: int = 0) -> str:
    """What to call a site in a sentence."""
    if site.operation == "forward":
        return site.path or "the model"
    op = site.operation
    name = f"{site.path}.{op}" if site.path and site.path != "loss" else op
    return f"{name} (call {number})" if number else name


def bind(site: Site, function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name, defaults included; of an op by the names that npformer has for them."""
    own = _parameters_of(site.operation)
    for parameters in (own, _parameters(function)):
        if (
            parameters is None
            or len(args) > len(parameters)
            or not kwargs.keys() <= parameters.keys()
        ):
            continue
        given = {**parameters, **dict(zip(parameters, args, strict=False)), **kwargs}
        if not any(value is inspect.Parameter.empty for value in given.values()):
            return given
    return {**{str(i): value for i, value in enumerate(args)}, **kwargs}


Parameters = dict[str, Any]
_KNOWN: dict[Any, Parameters | None] = {}


def _parameters(function: Any) -> Parameters | None:
    """Name -> default of a function's parameters; None if it takes any number of them."""
    # What decorators wrap: their own code is the same for every function.
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None or code not in _KNOWN:
        try:
            found = _of(inspect.signature(function))
        except (TypeError, ValueError):
            found = None
        if code is None:
            return found
        _KNOWN[code] = found
    return _KNOWN[code]


def _of(signature: inspect.Signature) -> Parameters | None:
    parameters = signature.parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return None
    return {p.name: p.default for p in parameters}


@functools.cache
def _parameters_of(operation: str) -> Parameters | None:
    """Of an op; None for a method."""
    card = CARDS.get(operation)
    return _of(inspect.signature(card.pair[0])) if isinstance(card, OpCard) else None


def is_op(operation: str) -> bool:
    """Whether an operation is an op of the package, not a method."""
    return isinstance(CARDS.get(operation), OpCard)


def giver(owner: Visit | None, path: str, first: bool) -> Visit | None:
    """Who gave a call of the module at ``path`` an argument: ``owner``, inside which it is made.

    A residual calls a sub-layer that is none of its own. It gives the ``first`` argument; the
    others were settled by whoever handed the sub-layer over, the layer.
    """
    while not first and owner is not None and not is_within(path, owner.site.path):
        owner = owner.parent
    return owner


def is_within(path: str, above: str) -> bool:
    """Whether a module's path is ``above`` or leads through it."""
    return not above or path == above or path.startswith(f"{above}.")


def real(value: Any) -> bool:
    """Whether it is an array that has a gradient."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def real_names(arguments: dict[str, Any]) -> list[str]:
    """The arguments that a backward returns gradients of, in order."""
    return [name for name, value in arguments.items() if real(value)]


def several(gradients: Any) -> tuple[Any, ...]:
    """What a backward returned, as a tuple."""
    if gradients is None:
        return ()
    return gradients if isinstance(gradients, tuple) else (gradients,)


def generator_of(values: Iterable[Any]) -> np.random.Generator | None:
    """The random generator among some arguments."""
    return next((v for v in values if isinstance(v, np.random.Generator)), None)


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """A copy of where the generator stands."""
    return copy.deepcopy(dict(generator.bit_generator.state))


def generator_at(state: dict[str, Any]) -> np.random.Generator:
    """A generator in a noted state."""
    kind = getattr(np.random, state["bit_generator"])
    generator = np.random.Generator(kind())
    generator.bit_generator.state = state
    return generator
