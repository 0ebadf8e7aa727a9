"""What every card has: a name, a chapter, words, invariants, and wrong versions."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from npformer.cards.invariant import Invariant
from npformer.cards.mutant import Mutant


class Card:
    """All that the rest of the package wants to know of a component, besides its source.

    One file a component under ``npformer/cards``, at the path that the component's own file has
    under ``npformer``; it is found by that name. See ``npformer.cards``.
    """

    kind: str
    needed: tuple[str, ...] = ()
    """Attributes without which a card is not complete."""
    words: Mapping[str, str]
    """What step makes a result, by the result's name."""
    straight_through: bool = False
    """Whether the gradient is by agreement another one than the forward's derivative, so that no
    difference of the forward can tell whether it is right."""
    step: Callable[[Any, str], str] | None = None
    """(visit, result) -> which step inside the component is wrong, by what the visit shows."""

    def __init__(self, name: str, home: str) -> None:
        self.name = name
        self.home = home
        """The module of the component."""
        self.words = {}
        self.invariants: list[Invariant] = []
        self.mutants: list[Mutant] = []
        found = re.search(r"^Chapter\s+(\S+)$", sys.modules[home].__doc__ or "", re.MULTILINE)
        self.chapter = found[1] if found else None
        """The walkthrough that derives it, ``walkthroughs/03_layer_norm.md``."""

    def __repr__(self) -> str:
        return f"<card of {self.name}>"

    def lacks(self) -> list[str]:
        """What is missing from the card."""
        missing = [what for what in self.needed if not getattr(self, what, None)]
        return missing + (["a wrong version"] if not self.mutants else [])

    def invariant(self, what: str, broken_by: str = "") -> Callable[[Any], Any]:
        """The decorated (component, case, result, scales) -> findings says whether it holds."""

        def decorate(look: Any) -> Any:
            self.invariants.append(Invariant(what, look, broken_by))
            return look

        return decorate

    def steps(self, step: Any) -> Any:
        """Decorator: which step is wrong."""
        self.step = step
        return step

    def wrong_method(self, name: str, wrong: str, right: Any, **seen: Any) -> Any:
        """The decorated function takes the place of ``right``, a method or a marked function.

        A mistake that was ``seen`` in public is a specimen of the museum: its card says where,
        the ``smallest`` shapes at which it shows, and an ordinary test by which it is
        ``missed_by``; see ``Mutant``.
        """
        return self._wrong(name, wrong, "method", right=right, **seen)

    def _wrong(self, name: str, wrong: str, site: Any, **more: Any) -> Callable[[Any], Any]:
        def decorate(function: Any) -> Any:
            self.mutants.append(
                Mutant(f"{self.name}/{name}", self.name, wrong, site, function, **more)
            )
            return function

        return decorate
