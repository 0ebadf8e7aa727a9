"""A wrong version of a component: one mistake, of a kind that people make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from npformer.cards.ordinary import Ordinary


@dataclass(frozen=True)
class Mutant:
    """A wrong implementation and what it gets wrong."""

    name: str
    """With the component's before it, ``layer_norm/rstd-missing``."""
    component: str
    wrong: str
    """One line, to follow "this is what you get when ..."."""
    site: Literal["forward", "backward", "method"]
    """What is wrong: an op's forward, an op's backward, or a method between the ops."""
    function: Callable[..., Any]
    """What takes its place."""
    right: Any = None
    """The method that a wrong one takes the place of."""
    seen: str = ""
    """Where it was made in public, a project's issue say; empty if only in lectures and here."""
    smallest: str = ""
    """Of one that was seen, the shapes of the smallest case at which it shows, ``x (1, 2)``."""
    missed_by: Ordinary | None = None
    """Of one that was seen, an ordinary test that it passes."""
    beyond_forward: bool = False
    """Whether it breaks what the forward's derivative cannot know: a convention, a dtype, the last
    digits of a far tail."""

    def plant(self, component: Any) -> Any:
        """The component of that name with the mistake in it."""
        if self.site == "method":
            return dataclasses.replace(component, replacements={self.right: self.function})
        return component.implemented_by(**{self.site: self.function})
