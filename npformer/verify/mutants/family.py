"""Wrong versions of modules, gathered by decorators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npformer.cards.mutant import Mutant


class Family:
    """Gathers the mutants of one module, by decorators on the wrong functions."""

    def __init__(self, component: str) -> None:
        self.component = component
        self.mutants: list[Mutant] = []

    def method(self, name: str, wrong: str, owner: Any, attribute: str) -> Callable[[Any], Any]:
        """The decorated function takes the place of ``owner.attribute`` while a module runs."""

        def decorate(function: Any) -> Any:
            full = f"{self.component}/{name}"
            self.mutants.append(
                Mutant(full, self.component, wrong, "method", function, owner, attribute)
            )
            return function

        return decorate
