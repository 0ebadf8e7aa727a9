"""What every observer of a lockstep knows, of either engine: whose call it is, and in which it is.

A watch notes the calls of a suspect, and a force gives those of the reference the suspect's
numbers; which of an engine's calls come by is the engine's own (``numpy_observer``,
``twin_observer``).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from npformer.verify.lockstep.visits import Key, Site, Visit


class Observer:
    """Of one model."""

    def __init__(self, model: Any) -> None:
        self.stack: list[Visit] = []  # those that run now
        self.paths = {
            id(one): path for path, one in (*model.named_modules(), *model.named_parameters())
        }
        self.visits: list[Visit] = []  # those that a watch has noted
        self.ticks = 0
        self._numbers: defaultdict[Key, Iterator[int]] = defaultdict(itertools.count)

    @property
    def innermost(self) -> Visit | None:
        """The visit that runs now."""
        return self.stack[-1] if self.stack else None

    def number(self, site: Site) -> int:
        """Which call of its key one is that begins now, from 0."""
        return next(self._numbers[site.key])

    def note(self, visit: Visit) -> None:
        """A visit begins, which its parent made."""
        self.visits.append(visit)
        if visit.parent is not None:
            visit.parent.children.append(visit)
        self.stack.append(visit)

    def tick(self) -> int:
        """The next moment of the run's clock."""
        self.ticks += 1
        return self.ticks
