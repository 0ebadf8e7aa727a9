"""Cards are found by file name: ``ops/rms_norm.py`` has its card in ``cards/ops/rms_norm.py``."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from npformer.cards.card import Card
from npformer.cards.op_card import OpCard
from npformer.errors import VerifyError, nearest
from npformer.models.model import Model
from npformer.nn.module import Module
from npformer.nn.positions import Positions
from npformer.optim.optimizer import Optimizer

V = TypeVar("V")

FOLDERS = ("ops", "nn", "models", "optim")
BASES: dict[str, type] = {"nn": Module, "models": Model, "optim": Optimizer}
"""By folder, whose subclasses are components."""
ABSTRACT = (*BASES.values(), Positions)
"""What components are kinds of, and is none itself."""


class Lazy(MutableMapping[str, V]):
    """A table that is made when somebody first looks into it, for its making imports every card."""

    def __init__(self, make: Callable[[], dict[str, V]]) -> None:
        self._make = make
        self._table: dict[str, V] | None = None

    def _made(self) -> dict[str, V]:
        if self._table is None:
            self._table = self._make()
        return self._table

    def __getitem__(self, name: str) -> V:
        return self._made()[name]

    def __setitem__(self, name: str, value: V) -> None:
        self._made()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._made()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())


def files(package: str) -> list[str]:
    """The modules of a package and of those in it, by dotted name."""
    home = import_module(package)
    return [file.name for file in pkgutil.walk_packages(home.__path__, f"{package}.")]


def _load() -> dict[str, Card]:
    found: dict[str, Card] = {}
    for folder in FOLDERS:
        for name in files(f"npformer.cards.{folder}"):
            for value in vars(import_module(name)).values():
                if isinstance(value, Card):
                    found[value.name] = value
    return found


CARDS: Mapping[str, Card] = Lazy(_load)
"""Every card by the component's name."""


def known(name: str, names: Collection[str]) -> str:
    """Which of the components ``name`` is: that one, or the only one that is written so.

    Case and underscores count only where they tell two apart: ``muon`` is ``Muon``, and ``linear``
    the op, not the module. Raises ``VerifyError``, with what may have been meant.
    """
    if name in names:
        return name
    alike = [each for each in names if _plain(each) == _plain(name)]
    if len(alike) == 1:
        return alike[0]
    meant = f"; did you mean {' or '.join(map(repr, alike))}?" if alike else nearest(name, names)
    raise VerifyError(f"component {name!r} does not exist; choose one of {', '.join(names)}{meant}")


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def card(name: str) -> Card:
    """The card of that name; see ``known``."""
    return CARDS[known(name, CARDS)]


def op_cards() -> list[OpCard]:
    """Those of ops."""
    return [card for card in CARDS.values() if isinstance(card, OpCard)]


def op_card(name: str) -> OpCard:
    """The card of an op; raises ``VerifyError`` for anything else."""
    found = card(name)
    if not isinstance(found, OpCard):
        raise VerifyError(f"{name!r} is no op; it is a component of the kind {found.kind}")
    return found


def defined(folder: str, module: ModuleType) -> list[str]:
    """The components that a file of ``npformer.ops``, ``nn``, ``models`` or ``optim`` defines."""
    name = module.__name__.rpartition(".")[2]
    if folder == "ops":
        pair = (f"{name}_forward", f"{name}_backward")
        return [name] if any(each in vars(module) for each in pair) else []
    base = BASES[folder]
    return [
        each
        for each, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value not in ABSTRACT
        and value.__module__ == module.__name__
        and not each.startswith("_")
    ]


def problems() -> list[str]:
    """What is missing, one line each: a component without a card, a card that is not complete."""
    found = []
    for folder in FOLDERS:
        for home in files(f"npformer.{folder}"):
            for name in defined(folder, import_module(home)):
                path = home.replace(".", "/").replace("npformer/", "npformer/cards/", 1) + ".py"
                if name not in CARDS:
                    found.append(f"{name} ({home}) has no card; write one in {path}")
                elif lacking := CARDS[name].lacks():
                    found.append(f"the card of {name} ({path}) lacks {', '.join(lacking)}")
    return found
