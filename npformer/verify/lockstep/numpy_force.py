"""The NumPy model as the reference: it runs once, on the suspect's own numbers.

Every call of it gets the arguments that the suspect's call of the same name saw, and hands on what
the suspect's call returned; what it computed itself in between is compared, and dropped. So each
method and each op is judged by its own inputs alone, whatever went wrong before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.verify.lockstep.alignment import add_share, aligned, call, counterpart, one_of, wide
from npformer.verify.lockstep.numpy_gradients import Gathered
from npformer.verify.lockstep.numpy_observer import NumpyObserver, Run
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import (
    Array,
    Back,
    Site,
    Trace,
    bind,
    generator_at,
    giver,
    real,
    several,
)


class NumpyForce(NumpyObserver):
    """Gives every call the suspect's numbers, and compares what the reference makes of them."""

    def __init__(self, model: Any, suspect: Trace, own: Trace, judge: Verdicts) -> None:
        super().__init__(model)
        self.suspect = suspect
        self.judge = judge
        self._own = own
        self._caches: defaultdict[tuple[str, str, int], list[tuple[Any, ...]]] = defaultdict(list)
        self._seen: list[list[Array]] = []  # for each running method, what has passed through it
        self._shares: list[dict[str, Array]] = []
        self._gathered = Gathered(model)
        self._alone = 0  # how many running calls have no counterpart

    def forward(self, site: Site, run: Run, function: Run, *args: Any, **kwargs: Any) -> Any:
        number = self.number(site)
        visit = counterpart(self.suspect, self._own, site.key, number)
        owner = self.innermost
        own = bind(site, function, args, kwargs)
        if visit is None:
            if not self._alone:
                self.judge.missing(owner, site, number, "forward")
            return self._unwatched(lambda: run(*args, **kwargs))
        theirs = aligned(own, visit.arguments)
        terms = [*self._terms(), *(wide(v) for v in theirs.values() if real(v))]
        for i, (name, value) in enumerate(own.items()):
            by = giver(owner, site.path, first=i == 0)
            found = theirs[name]
            self.judge.passed(by, visit, name, value, found, terms, "forward", visit.begin)
        arguments = {name: one_of(own[name], value) for name, value in theirs.items()}
        self._see(*arguments.values())
        running = dict(arguments)
        if visit.generator is not None:
            for name, value in running.items():
                if isinstance(value, np.random.Generator):
                    running[name] = generator_at(visit.generator)
        self.stack.append(visit)
        alone, self._alone = self._alone, 0
        self._seen.append([v for v in arguments.values() if real(v)])
        y, cache = call(run, own, running, args, kwargs)
        terms = self._seen.pop()
        self._alone = alone
        self.stack.pop()
        self.judge.output(visit, np.asarray(y), arguments, terms)
        self._caches[*site.key, id(cache)].append((visit, cache, arguments))
        output = wide(visit.output)
        self._see(output)
        return output, cache

    def backward(
        self, site: Site, run: Run, function: Run, dy: Any, cache: Any, *others: Any
    ) -> Any:
        known = self._caches.get((*site.key, id(cache)))
        if not known:
            return self._unwatched(lambda: run(dy, cache, *others))
        visit, _, arguments = known.pop()
        owner = self.innermost
        back = visit.back
        if back is None:
            if not self._alone:
                self.judge.missing(owner, site, visit.number, "backward")
            return self._unwatched(lambda: run(dy, cache, *others))
        arrived = wide(back.dy)
        terms = [*self._terms(), arrived]
        self.judge.passed(owner, visit, "dy", dy, back.dy, terms, "backward", back.begin)
        self._see(arrived)
        self._look(site)
        self.stack.append(visit)
        alone, self._alone = self._alone, 0
        self._seen.append([arrived])
        self._shares.append({})
        expected = several(run(arrived, cache, *others))
        self._look(site)
        shares, terms = self._shares.pop(), self._seen.pop()
        self._alone = alone
        self.stack.pop()
        self.judge.gradients(visit, expected, arguments, terms)
        for path in {**shares, **back.shares}:
            beside = [np.abs(back.beside[path])] if path in back.beside else []
            given = shares.get(path), back.shares.get(path)
            self.judge.share(visit, path, *given, [*terms, *beside])
        return self._theirs(expected, back)

    def accumulate(self, path: str, run: Run, parameter: Any, gradient: Any) -> None:
        if self._shares:
            add_share(self._shares[-1], path, gradient)

    def _look(self, site: Site) -> None:
        """What the reference writes to gradients itself, for the call that runs now."""
        if self._shares and not site.is_op:
            for path, added, _ in self._gathered.untold(site.path):
                add_share(self._shares[-1], path, added)

    def _theirs(self, expected: tuple[Any, ...], back: Back) -> Any:
        """The suspect's gradients, in the reference's arrangement."""
        if not expected:
            return None
        given = list(back.gradients) + [None] * len(expected)
        merged = tuple(
            e if g is None or e is None or np.shape(g) != np.shape(e) else wide(g)
            for e, g in zip(expected, given, strict=False)
        )
        self._see(*merged)
        return merged if len(merged) > 1 else merged[0]

    def _unwatched(self, run: Callable[[], Any]) -> Any:
        """A call without a counterpart; the calls inside it may have theirs."""
        self._alone += 1
        try:
            result = run()
        finally:
            self._alone -= 1
        self._see(*several(result))
        return result

    def _see(self, *values: Any) -> None:
        if self._seen:
            self._seen[-1].extend(value for value in values if real(value))

    def _terms(self) -> list[Array]:
        return self._seen[-1] if self._seen else []
