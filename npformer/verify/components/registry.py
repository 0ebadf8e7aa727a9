"""Every component by name: what ``npformer verify`` runs; no new op may be missing from it."""

from __future__ import annotations

import inspect

from npformer import models, nn, ops
from npformer.errors import VerifyError, nearest
from npformer.nn.module import Module
from npformer.verify.case import Component
from npformer.verify.components.modules_table import MODULES
from npformer.verify.components.ops_table import OPS
from npformer.verify.components.optimizers import OPTIMIZERS

COMPONENTS: dict[str, Component] = {c.name: c for c in (*OPS, *MODULES, *OPTIMIZERS)}


def component(name: str) -> Component:
    """The component of that name; ``VerifyError`` with the nearest name if there is none."""
    if name not in COMPONENTS:
        raise VerifyError(
            f"component {name!r} does not exist; choose one of {', '.join(COMPONENTS)}"
            + nearest(name, COMPONENTS)
        )
    return COMPONENTS[name]


def missing() -> list[str]:
    """Ops, modules and models of the package that are not registered."""
    found = [n.removesuffix("_forward") for n in vars(ops) if n.endswith("_forward")]
    for package in (nn, models):
        for name, value in vars(package).items():
            if inspect.isclass(value) and issubclass(value, Module) and value is not Module:
                found.append(name)
    return sorted(set(found) - COMPONENTS.keys())
