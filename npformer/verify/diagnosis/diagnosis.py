"""What a diagnosis says, and which chapter derives the right formula."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from npformer import models, nn, ops, optim


@dataclass(frozen=True)
class Diagnosis:
    """One explanation of a wrong result."""

    sentence: str
    """"this is what you get when ..."."""
    result: str
    """What is wrong: ``dx``, ``dweight, dbias``, ``y``."""
    mutants: tuple[str, ...] = ()
    """The catalogue's names for it. Several, if they are wrong in the same way on every input or
    are made together; empty for a mistake that is in no catalogue, such as a factor."""
    chapter: str | None = None
    """The walkthrough that derives it, ``walkthroughs/03_layer_norm.md``."""
    score: float = 1.0
    """How sure: 1 if nothing else explains it, less where others do or several mistakes are
    needed, below 0.5 if it describes the wrong result without explaining it."""

    @property
    def mutant(self) -> str | None:
        """The first of ``mutants``."""
        return self.mutants[0] if self.mutants else None

    def __str__(self) -> str:
        see = f" (see {self.chapter})" if self.chapter else ""
        return f"{self.result}: {self.sentence}{see}"


def chapter_of(component: str) -> str | None:
    """The chapter that the file of a component names; None for one that is not the package's."""
    for candidate in (
        getattr(ops, f"{component}_backward", None),
        getattr(nn, component, None),
        getattr(models, component, None),
        getattr(optim, component, None),
    ):
        if candidate is not None:
            return _chapter_line(candidate)
    return None


def _chapter_line(defined: Any) -> str | None:
    text = sys.modules[defined.__module__].__doc__ or ""
    found = re.search(r"^Chapter\s+(\S+)$", text, re.MULTILINE)
    return found[1] if found else None
