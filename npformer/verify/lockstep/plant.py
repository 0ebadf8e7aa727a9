"""A mutant of the catalogue in one object of one model: a known mistake to look for.

Within ``with plant(mutant, model, path):`` one module or parameter of one model has it, in this
thread; every other, also of the same class, goes on as it was, and so does every copy.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from npformer.cards.discovery import CARDS
from npformer.cards.module_card import ModuleCard
from npformer.cards.mutant import Mutant
from npformer.errors import VerifyError, nearest
from npformer.models.loss import LOSS
from npformer.nn.module import Module
from npformer.seam import Call, replacing, watching
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import component
from npformer.verify.lockstep.numpy_side import LossPair
from npformer.verify.mutants import MUTANTS


def find_mutant(name: str) -> Mutant:
    """The mutant of that name; raises ``VerifyError`` with the nearest if there is none."""
    if name not in MUTANTS:
        raise VerifyError(
            f"mutant {name!r} does not exist; npformer verify --mutants lists them"
            + nearest(name, MUTANTS)
        )
    return MUTANTS[name]


def sites(mutant: Mutant, model: Any) -> list[str]:
    """The paths in ``model`` at which the mutant can be planted; none for an op it has not."""
    if isinstance(component(mutant.component), OpComponent):
        if mutant.component == LOSS.name:
            return ["loss"]
        return [path for path, m in model.named_modules() if _calls(m, mutant.component, model)]
    wrong = _replacements(mutant)
    return [path for path, one in _objects(model) if _methods(wrong, one)]


@contextmanager
def plant(mutant: Mutant, model: Any, path: str) -> Iterator[LossPair]:
    """``model`` has the mutant at ``path`` until the block ends.

    Gives the loss and its backward, for the mistake may be there. Raises ``VerifyError`` where
    there is no such place.
    """
    possible = sites(mutant, model)
    objects = dict(_objects(model))
    if path not in possible:
        if not possible:
            others = {other.component: other for other in MUTANTS.values()}
            have = ", ".join(name for name, other in others.items() if sites(other, model))
            raise VerifyError(
                f"mutant {mutant.name!r} has no place in this model; choose one of those of {have}"
            )
        what = "does not exist" if path not in [*objects, "loss"] else "is no place for it"
        raise VerifyError(
            f"mutant {mutant.name!r} cannot be planted at {path!r}, which {what}"
            + (nearest(path, possible) or f"; it could be at {max(possible, key=bool)!r}")
        )
    wrong: Any = mutant.plant(component(mutant.component))
    if path == "loss":
        yield wrong.pair
    elif isinstance(wrong, OpComponent):
        right: Any = component(mutant.component)
        table = dict(zip(map(inspect.unwrap, right.pair), wrong.pair, strict=True))
        with watching(_OpsOf(objects[path], table)):
            yield LOSS
    else:
        with replacing(_methods(_replacements(mutant), objects[path])):
            yield LOSS


class _OpsOf:
    """An observer that replaces ops where one module calls them."""

    def __init__(self, owner: Any, table: Mapping[Any, Any]) -> None:
        self._owner, self._table = owner, table
        self._running: list[Any] = []  # owners of methods, None for an op

    def __call__(self, call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        if call.owner is None and self._running and self._running[-1] is self._owner:
            run = self._table.get(call.function, run)
        self._running.append(call.owner)
        try:
            return run(*args, **kwargs)
        finally:
            self._running.pop()


def _objects(model: Any) -> list[tuple[str, Any]]:
    return [*model.named_modules(), *model.named_parameters()]


def _replacements(mutant: Mutant) -> dict[Any, Any]:
    """The methods of a class that the mutant replaces, and by what."""
    wrong: dict[Any, Any] = getattr(mutant.plant(component(mutant.component)), "replacements", {})
    return wrong


def _methods(wrong: dict[Any, Any], one: Any) -> dict[Any, Any]:
    """Those that are one object's own."""
    return {
        getattr(one, function.__name__): replacement
        for function, replacement in wrong.items()
        if getattr(type(one), function.__name__, None) == function
    }


def _calls(module: Any, op: str, model: Any) -> bool:
    cls: Any = type(module)
    card = CARDS.get(cls.__name__)
    if isinstance(card, ModuleCard) and card.calls is not None:
        return card.calls(module) == op
    # An embedding projects if tied.
    tied = getattr(model, "output_proj", None) is None
    return f"{op}_forward" in _names(cls, tied)


@functools.cache
def _names(cls: type, projects: bool) -> frozenset[str]:
    """What the code of a module looks up: its forward may be its base's, other methods are not.

    What it has of a base that is no module is its own.
    """
    own = [each for each in cls.__mro__ if each is cls or not issubclass(each, Module)]
    names = {"forward", *(n for each in own for n in vars(each))}
    names -= set() if projects else {"project"}
    methods = [inspect.unwrap(m) for m in (getattr(cls, n, None) for n in names) if callable(m)]
    return frozenset(n for m in methods if hasattr(m, "__code__") for n in m.__code__.co_names)
