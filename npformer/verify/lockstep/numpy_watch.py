"""The NumPy model as the suspect: every call is noted as it is made."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from npformer.inspect.caches import fields
from npformer.verify.lockstep.alignment import add_share, copied
from npformer.verify.lockstep.lines import beginning, caller
from npformer.verify.lockstep.numpy_gradients import Gathered, equal
from npformer.verify.lockstep.numpy_observer import NumpyObserver, Run
from npformer.verify.lockstep.stopped import naming
from npformer.verify.lockstep.visits import (
    Accumulation,
    Array,
    Back,
    Site,
    Visit,
    bind,
    generator_of,
    generator_state,
    real_names,
    several,
)


class NumpyWatch(NumpyObserver):
    """Notes every call."""

    def __init__(self, model: Any, light: bool = False) -> None:
        """``light`` leaves out the parameters' gradients, which are most of the memory."""
        super().__init__(model)
        self._weights = {id(parameter.data) for _, parameter in model.named_parameters()}
        self._light = light
        self.accumulations: list[Accumulation] = []
        self.unseen: set[str] = set()
        self._gathered = None if light else Gathered(model)
        self._of_cache: defaultdict[tuple[str, str, int], list[Visit]] = defaultdict(list)
        self._backs: list[Back] = []
        self._returned: list[tuple[Any, Any]] = []  # by the last backward: gradients, their copies
        self._open: list[Visit | Back] = []  # the calls that run now
        self._written: list[tuple[int, Array]] = []  # what a call wrote to, and when it had ended

    def forward(self, site: Site, run: Run, function: Run, *args: Any, **kwargs: Any) -> Any:
        """What the call returns, noted; raises Stopped, with the place, if the call raises."""
        number = self.number(site)
        given = bind(site, function, args, kwargs)
        copies = copied(given, self._weights)
        visit = Visit(
            site, number, copies, self.innermost, self.tick(), caller(), beginning(function)
        )
        if (generator := generator_of(given.values())) is not None:
            visit.generator = generator_state(generator)
        self.note(visit)
        self._open.append(visit)
        with naming(site, number, "forward"):
            y, cache = run(*args, **kwargs)
        self.stack.pop()
        visit.output, visit.cache, visit.end = np.array(y), cache, self.tick()
        changed = _changed(given, visit.arguments)
        visit.overwrote = changed if self._wrote([given[name] for name in changed]) else []
        self._of_cache[*site.key, id(cache)].append(visit)
        return y, cache

    def backward(
        self, site: Site, run: Run, function: Run, dy: Any, cache: Any, *others: Any
    ) -> Any:
        """The call's gradients, noted; raises Stopped, with the place, if the call raises."""
        known = self._of_cache.get((*site.key, id(cache)))
        if not known:  # of a call that is not this module's own
            return run(dy, cache, *others)
        visit = next((v for v in reversed(known) if not v.backs), known[-1])
        self._look(site)
        back = Back(np.array(dy), self.tick(), where=caller(), source=beginning(function))
        back.spoilt = self.ticks if self._was_written(cache, visit.end) else 0
        visit.backs.append(back)
        self.stack.append(visit)
        self._backs.append(back)
        self._open.append(back)
        with naming(site, visit.number, "backward"):
            gradients = run(dy, cache, *others)
        self._look(site)
        self.stack.pop()
        self._backs.pop()
        back.end = self.tick()
        back.gradients = tuple(
            None if g is None or (self._light and self._is_weight(visit, i)) else np.array(g)
            for i, g in enumerate(several(gradients))
        )
        self._returned = list(zip(several(gradients), back.gradients, strict=True))
        assert back.dy is not None
        back.overwrote = self._wrote([] if equal(back.dy, dy) else [dy])
        return gradients

    def accumulate(self, path: str, run: Run, parameter: Any, gradient: Any) -> None:
        tick = self.tick()
        if self._gathered is None:
            return
        self._look(Site(path, "accumulate", ""), parameter)
        before = np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad.copy()
        gradient = self._copy(gradient)
        run(gradient)
        after = before if parameter.grad is None else parameter.grad
        if np.shape(gradient) != before.shape or not equal(before + gradient, after):
            self.accumulations.append(Accumulation(path, before, gradient, np.array(after), tick))
        share = gradient
        if self._backs:
            shares = self._backs[-1].shares
            share = shares[path] = shares[path] + gradient if path in shares else gradient
        # Most parameters are used once, and what they hold need not be there a third time.
        same = share if parameter.grad is not None and equal(share, after) else None
        self._gathered.told(path, parameter, same)

    def finish(self) -> dict[str, Array]:
        """What is left to see when the run is over; then the gradient of every parameter."""
        self._look(Site("", "", ""))
        return {} if self._gathered is None else self._gathered.in_the_end()

    def _copy(self, gradient: Any) -> Any:
        """A copy of a gradient: the one that there is, if an op has just returned it."""
        for given, noted in self._returned:
            if given is gradient and equal(given, noted):
                return noted
        return np.array(gradient)

    def _look(self, site: Site, parameter: Any = None) -> None:
        """What was done to gradients untold, for the call that runs now; an op knows of none."""
        if self._gathered is None or site.is_op:
            return
        for path, added, before in self._gathered.untold(site.path, parameter):
            if self._backs:
                add_share(self._backs[-1].shares, path, added)
                self._backs[-1].beside.setdefault(path, before)
            else:
                self.unseen.add(path)

    def _is_weight(self, visit: Visit, index: int) -> bool:
        names = real_names(visit.arguments)
        return index < len(names) and id(visit.arguments[names[index]]) in self._weights

    def _wrote(self, changed: list[Array]) -> bool:
        """Whether it was the call that ends now that wrote to these, and none inside it."""
        call = self._open.pop()
        own = bool(changed) and not call.spoilt
        if own:
            self._written += [(self.ticks, array) for array in changed]
        if self._open:
            around = self._open[-1]
            around.spoilt = around.spoilt or call.spoilt or (self.ticks if own else 0)
        return own

    def _was_written(self, cache: Any, since: int) -> bool:
        """Whether another call wrote to an array of a cache, when the cache was made already."""
        held = [value for _, value in fields(cache) if isinstance(value, np.ndarray)]
        return any(
            tick > since and np.may_share_memory(array, one)
            for tick, array in self._written
            for one in held
        )


def _changed(given: dict[str, Any], before: dict[str, Any]) -> list[str]:
    return [
        name
        for name, value in given.items()
        if isinstance(value, np.ndarray)
        and value is not before[name]
        and not equal(value, before[name])
    ]
