"""A mutant of the catalogue in one object of one model: a known mistake to look for.

``mutants`` replace an op or a method everywhere. Here one module of one model gets it, and every
other module, also of the same class, goes on as it was.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple

from npformer.cards.discovery import card
from npformer.cards.mutant import Mutant
from npformer.errors import VerifyError, nearest
from npformer.inspect.rebind import rebind
from npformer.nn.module import Parameter
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.registry import component
from npformer.verify.lockstep.numpy_side import CROSS_ENTROPY, Pair
from npformer.verify.lockstep.numpy_taps import pairs
from npformer.verify.mutants import MUTANTS

_STATIC = {"gelu_tanh": "gelu"}


class Planted(NamedTuple):
    """A model with one mistake in it."""

    model: Any
    loss: Pair
    """The loss and its backward; the mistake may be there."""


def find_mutant(name: str) -> Mutant:
    """The mutant of that name; ``VerifyError`` with the nearest if there is none."""
    if name not in MUTANTS:
        raise VerifyError(
            f"mutant {name!r} does not exist; npformer verify --mutants lists them"
            + nearest(name, MUTANTS)
        )
    return MUTANTS[name]


def sites(mutant: Mutant, model: Any) -> list[str]:
    """The paths in ``model`` at which the mutant can be planted; none for an op it has not."""
    if isinstance(component(mutant.component), OpComponent):
        if mutant.component == "cross_entropy":
            return ["loss"]
        return [path for path, m in model.named_modules() if _calls(m, mutant.component)]
    owner = _owner(mutant)
    if owner is None:
        return []
    if issubclass(owner, Parameter):
        return [path for path, p in model.named_parameters() if isinstance(p, owner)]
    return [path for path, m in model.named_modules() if isinstance(m, owner)]


def plant(mutant: Mutant, model: Any, path: str) -> Planted:
    """A copy of ``model`` with the mutant at ``path``; the weights are the model's own.

    Raises ``VerifyError`` where there is no such place.
    """
    possible = sites(mutant, model)
    if path not in possible:
        known = [p for p, _ in model.named_modules()] + [p for p, _ in model.named_parameters()]
        if not possible:
            raise VerifyError(f"mutant {mutant.name!r} has no place in this model")
        what = "does not exist" if path not in [*known, "loss"] else "is no place for it"
        raise VerifyError(
            f"mutant {mutant.name!r} cannot be planted at {path!r}, which {what}"
            + (nearest(path, possible) or f"; it could be at {max(possible, key=bool)!r}")
        )
    wrong = mutant.plant(component(mutant.component))
    if path == "loss":
        assert isinstance(wrong, OpComponent)
        return Planted(model, wrong.pair)
    model = model.replica()
    if isinstance(wrong, OpComponent):
        module = dict(model.named_modules())[path]
        _plant_op(module, mutant.component, wrong.pair)
        return Planted(model, CROSS_ENTROPY)
    patch = _patch(mutant)
    if issubclass(patch.getter(), Parameter):
        parameter = dict(model.named_parameters())[path]
        name = f"Planted{type(parameter).__name__}"
        body = {"__slots__": (), patch.attribute: patch.new}
        parameter.__class__ = type(name, (type(parameter),), body)
    else:
        module = dict(model.named_modules())[path]
        setattr(module, patch.attribute, types.MethodType(patch.new, module))
    return Planted(model, CROSS_ENTROPY)


def _plant_op(module: Any, op: str, pair: Pair) -> None:
    names: dict[str, Any] = {f"{op}_forward": pair[0], f"{op}_backward": pair[1]}
    if (own := getattr(module, "activation", None)) is not None:
        table = dict(module.forward.__func__.__globals__["ACTIVATIONS"])
        forward, backward = pair
        if own == "gelu_tanh":
            wrong = forward

            def forward(x: Any) -> Any:
                return wrong(x, approximate="tanh")

        table[own] = (forward, backward)
        names = {"ACTIVATIONS": table}
    for each in pairs(module):
        for name in each:
            method = getattr(module, name)
            if names.keys() & set(method.__func__.__code__.co_names):
                setattr(module, name, rebind(method, names))


def _calls(module: Any, op: str) -> bool:
    kind = type(module).__name__
    if kind == "FeedForward":
        return bool(_STATIC.get(module.activation, module.activation) == op)
    if kind == "Transformer" and op == "linear":
        return module.output_proj is None
    return kind == getattr(card(op), "owner", None)


def _patch(mutant: Mutant) -> Any:
    """What the mutant would replace: ``getter`` gives the class, ``attribute`` and ``new``."""
    return mutant.plant(component(mutant.component)).patch()


def _owner(mutant: Mutant) -> type | None:
    planted = mutant.plant(component(mutant.component))
    patch = getattr(planted, "patch", None)
    if mutant.site != "method" or patch is None:
        return None
    context = patch()
    owner = getattr(context, "getter", lambda: None)()
    return owner if isinstance(owner, type) else None
