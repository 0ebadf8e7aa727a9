"""What a mutant is: a component with one mistake in it, of a kind that people make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from npformer.verify.case import Component
from npformer.verify.components.op_component import OpComponent


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation and what it gets wrong."""

    name: str
    component: str
    wrong: str
    """One line, to follow "this is what you get when ..."."""
    site: Literal["forward", "backward", "method"]
    """What is wrong: an op's forward, an op's backward, or a method between the ops."""
    plant: Callable[[Any], Component]
    """The registered component -> the same with the mistake."""


class Family:
    """Gathers the mutants of one component, by decorators on the wrong functions."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.mutants: list[Mutant] = []

    def _add(self, name: str, wrong: str, site: Any, plant: Callable[[Any], Component]) -> None:
        self.mutants.append(Mutant(f"{self.component}/{name}", self.component, wrong, site, plant))

    def backward(self, name: str, wrong: str) -> Callable[[Any], Any]:
        """The decorated (dy, cache) -> gradients takes the place of the op's backward."""

        def decorate(function: Any) -> Any:
            def plant(component: OpComponent) -> Component:
                return component.implemented_by(backward=function)

            self._add(name, wrong, "backward", plant)
            return function

        return decorate

    def forward(self, name: str, wrong: str) -> Callable[[Any], Any]:
        """The decorated function takes the place of the op's forward."""

        def decorate(function: Any) -> Any:
            def plant(component: OpComponent) -> Component:
                return component.implemented_by(forward=function)

            self._add(name, wrong, "forward", plant)
            return function

        return decorate

    def method(self, name: str, wrong: str, owner: Any, attribute: str) -> Callable[[Any], Any]:
        """The decorated function takes the place of ``owner.attribute`` while a module runs."""

        def decorate(function: Any) -> Any:
            replacements = {getattr(owner, attribute): function}

            def plant(component: Any) -> Component:
                return dataclasses.replace(component, replacements=replacements)

            self._add(name, wrong, "method", plant)
            return function

        return decorate
