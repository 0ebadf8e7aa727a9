"""Mistakes in a part of what is checked: an op or a module that a larger module is made of."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any

from npformer.cards.case import Case
from npformer.seam import Call, watching
from npformer.verify.components.module_component import ModuleComponent
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.optimizer_component import OptimizerComponent
from npformer.verify.diagnosis.diagnosis import chapter_of
from npformer.verify.diagnosis.evidence import Evidence, observe
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.suspect import Suspect, planted, when


def mutants_inside(evidence: Evidence) -> list[Suspect]:
    """The other components' mutants, where a registered module runs into them on this case.

    One in what the module never calls changes nothing, and most are: it need not be planted.
    """
    found = known(evidence)
    suspects = () if found is None else _inside(found.component.name)
    if found is None or not suspects:
        return []
    called = _called(found.component, evidence.case)
    return [suspect for suspect, replaced in suspects if replaced & called]


def _called(component: Any, case: Case) -> set[Any]:
    """The functions that it calls, as they were written."""
    called = set()

    def observer(call: Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        called.add(call.function)
        return run(*args, **kwargs)

    with watching(observer):
        observe(component, case)
    return called


@functools.cache
def _inside(component: str) -> tuple[tuple[Suspect, frozenset[Any]], ...]:
    """With the functions that each replaces, as they were written."""
    from npformer.verify.components.registry import COMPONENTS
    from npformer.verify.mutants import MUTANTS

    whole = COMPONENTS.get(component)
    if not isinstance(whole, (ModuleComponent, OptimizerComponent)):
        return ()
    found = []
    for mutant in MUTANTS.values():
        owner = COMPONENTS[mutant.component]
        replacements = _replacements(owner, mutant.plant(owner))
        if mutant.component == component:
            continue
        suspect = planted(
            dataclasses.replace(whole, replacements=replacements),
            ("inside", mutant.name),
            f"{when('')}within it, in {owner.name}, {mutant.wrong}",
            mutants=(mutant.name,),
            chapter=chapter_of(owner.name),
        )
        found.append((suspect, frozenset(map(inspect.unwrap, replacements))))
    return tuple(found)


def _replacements(owner: Any, wrong: Any) -> dict[Any, Any]:
    if not isinstance(owner, OpComponent):
        return dict(wrong.replacements)
    return {r: w for r, w in zip(owner.pair, wrong.pair, strict=True) if w is not r}
