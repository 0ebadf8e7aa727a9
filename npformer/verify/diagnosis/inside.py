"""Mistakes in a part of what is checked: an op or a module that a larger module is made of."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from npformer.verify.components.module_component import ModuleComponent
from npformer.verify.components.op_component import OpComponent
from npformer.verify.components.optimizer_component import OptimizerComponent
from npformer.verify.diagnosis.diagnosis import chapter_of
from npformer.verify.diagnosis.evidence import Evidence
from npformer.verify.diagnosis.known import known
from npformer.verify.diagnosis.suspect import Suspect, planted, when


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
        replacements = _replacements(owner, mutant.plant(owner))
        if mutant.component == component:
            continue
        found.append(
            planted(
                dataclasses.replace(whole, replacements=replacements),
                ("inside", mutant.name),
                f"{when('')}within it, in {owner.name}, {mutant.wrong}",
                mutants=(mutant.name,),
                chapter=chapter_of(owner.name),
            )
        )
    return tuple(found)


def _replacements(owner: Any, wrong: Any) -> dict[Any, Any]:
    if not isinstance(owner, OpComponent):
        return dict(wrong.replacements)
    return {r: w for r, w in zip(owner.pair, wrong.pair, strict=True) if w is not r}
