"""Mistakes in a part of what is checked: an op or a module that a larger module is made of."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

from npformer.nn.feed_forward import ACTIVATIONS
from npformer.verify.components.module_component import ModuleComponent
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.optimizer_component import OptimizerComponent
from npformer.verify.diagnosis.diagnosis import chapter_of
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.suspect import Suspect, planted, when

USERS = ("npformer.nn.", "npformer.models.")
"""The files that call ops, by how their modules' names begin."""


def mutants_inside(evidence: Evidence) -> tuple[Suspect, ...]:
    """The other components' mutants, wherever a registered module runs into them."""
    found = known(evidence)
    return () if found is None else _inside(found.component.name)


@functools.cache
def _inside(component: str) -> tuple[Suspect, ...]:
    from npformer.verify.components.registry import COMPONENTS
    from npformer.verify.mutants import MUTANTS

    whole = COMPONENTS.get(component)
    if not isinstance(whole, (ModuleComponent, OptimizerComponent)):
        return ()
    found = []
    for mutant in MUTANTS.values():
        owner = COMPONENTS[mutant.component]
        patch = _patch_of(owner, mutant.plant(owner))
        if mutant.component == component or patch is None:
            continue
        found.append(
            planted(
                dataclasses.replace(whole, patch=patch),
                ("inside", mutant.name),
                f"{when('')}within it, in {owner.name}, {mutant.wrong}",
                mutants=(mutant.name,),
                chapter=chapter_of(owner.name),
            )
        )
    return tuple(found)


def _patch_of(owner: Any, wrong: Any) -> Callable[[], Any] | None:
    if isinstance(owner, OpComponent):
        return functools.partial(replaced, dict(zip(owner.pair, wrong.pair, strict=True)))
    return wrong.patch


@contextlib.contextmanager
def replaced(functions: Mapping[Any, Any]) -> Iterator[None]:
    """Every module of ``nn`` and ``models`` calls the values where it would call the keys."""
    activations = {
        name: (
            functools.partial(functions[forward.func], **forward.keywords)
            if isinstance(forward, functools.partial) and forward.func in functions
            else functions.get(forward, forward),
            functions.get(backward, backward),
        )
        for name, (forward, backward) in ACTIVATIONS.items()
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(ACTIVATIONS, activations))
        for name, module in list(sys.modules.items()):
            if name.startswith(USERS) and module is not None:
                found = {n: functions[v] for n, v in vars(module).items() if _in(v, functions)}
                if found:
                    stack.enter_context(mock.patch.dict(vars(module), found))
        yield


def _in(value: Any, functions: Mapping[Any, Any]) -> bool:
    return callable(value) and type(value).__hash__ is not None and value in functions
