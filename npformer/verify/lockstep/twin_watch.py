"""The twin as the suspect: every call is noted as it is made.

Every call gets an alias of each of its inputs and hands on one of its output, so that autograd
finds each call's own share of a gradient.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from npformer.verify.lockstep.alignment import add_share
from npformer.verify.lockstep.lines import caller
from npformer.verify.lockstep.stopped import Stopped, naming, stopped
from npformer.verify.lockstep.twin_observer import Arguments, TwinObserver
from npformer.verify.lockstep.visits import (
    Array,
    Back,
    Key,
    Site,
    Trace,
    Visit,
    generator_of,
    generator_state,
    real_names,
)
from torch_ref.bridge import to_array


class TwinWatch(TwinObserver):
    """Notes every call."""

    def __init__(self, model: nn.Module, light: bool = False) -> None:
        """``light`` leaves out the parameters' gradients, which are most of the memory and time."""
        super().__init__(model)
        self._light = light
        self.visits: list[Visit] = []
        self.ticks = 0
        self._calls: defaultdict[Key, int] = defaultdict(int)
        self._inputs: list[dict[str, Tensor]] = []  # of each visit, its aliases
        self._outputs: list[Tensor] = []
        self._open: list[int] = []  # numbers of the visits that run now
        self._used: list[dict[str, str]] = []  # of each visit, argument -> the parameter it is

    def begin(self, site: Site, arguments: Arguments) -> Arguments:
        number = self._calls[site.key]
        self._calls[site.key] += 1
        parent = self.stack[-1] if self.stack else None
        visit = Visit(site, number, plain(arguments), parent, self._tick(), caller())
        if (generator := generator_of(arguments.values())) is not None:
            visit.generator = generator_state(generator)
        given, aliases, used = dict(arguments), {}, {}
        for name, value in arguments.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                if (path := self.path_of.get(id(value))) is not None:
                    used[name] = path
                # What was cut off from the graph is given a gradient here, which goes no further.
                cut = not value.requires_grad
                alias = value.detach().requires_grad_() if cut else value.view_as(value)
                given[name] = aliases[name] = alias
        self.visits.append(visit)
        if parent is not None:
            parent.children.append(visit)
        self.stack.append(visit)
        self._inputs.append(aliases)
        self._used.append(used)
        self._outputs.append(torch.empty(0))
        self._open.append(len(self._outputs) - 1)
        return given

    def end(self, y: Tensor, *losses: Tensor) -> Tensor:
        visit = self.stack.pop()
        y = y.view_as(y)
        visit.output, visit.end = to_array(y), self._tick()
        self._outputs[self._open.pop()] = y
        return y

    def stopped(self, error: Exception) -> Stopped:
        """What to raise where the model raised ``error``."""
        visit = self.stack[-1] if self.stack else None
        site = Site("", "forward", "") if visit is None else visit.site
        return stopped(site, 0 if visit is None else visit.number, "forward", error)

    def trace(self, loss: Tensor) -> Trace:
        """Everything watched, with the gradients that ``loss`` sends there; raises Stopped."""
        begun: dict[int, int] = {}
        ended: dict[int, int] = {}
        # Hooks must not hold this object: a graph that holds itself is never freed.
        clock = itertools.count(self.ticks + 1)
        for index, output in enumerate(self._outputs):
            if output.requires_grad:
                output.register_hook(functools.partial(_note, begun, index, clock))
            for alias in self._inputs[index].values():
                alias.register_hook(functools.partial(_note, ended, index, clock))
        leaves = [
            *([] if self._light else self.parameters.values()),
            *(
                alias
                for aliases, used in zip(self._inputs, self._used, strict=True)
                for name, alias in aliases.items()
                if not (self._light and name in used)
            ),
            *(output for output in self._outputs if output.requires_grad),
        ]
        with naming(Site("", "forward", ""), 0, "backward"):
            found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        self.ticks = next(clock)
        of = {id(leaf): to_array(g) for leaf, g in zip(leaves, found, strict=True)}
        for index, visit in enumerate(self.visits):
            self._finish(index, visit, of, begun, ended)
        gradients = {} if self._light else {path: of[id(p)] for path, p in self.parameters.items()}
        dtype = to_array(next(iter(self.parameters.values())).flatten()[:0]).dtype
        return Trace(self.visits, loss.item(), gradients, [], dtype, self.ticks)

    def _finish(
        self,
        index: int,
        visit: Visit,
        of: dict[int, Array],
        begun: dict[int, int],
        ended: dict[int, int],
    ) -> None:
        assert visit.output is not None
        dy = of.get(id(self._outputs[index]), np.zeros_like(visit.output))
        begin = begun.get(index, self.ticks)
        back = Back(dy, begin, ended.get(index, begin))
        aliases = self._inputs[index]
        back.gradients = tuple(
            None
            if self._light and name in self._used[index]
            else of[id(aliases[name])]
            if name in aliases
            else np.zeros_like(visit.arguments[name])
            for name in real_names(visit.arguments)
        )
        # A parent comes before its calls, so its own backward is there to take their shares.
        visit.backs.append(back)
        if visit.parent is not None and visit.parent.back is not None and not self._light:
            for name, path in self._used[index].items():
                if name in aliases:
                    add_share(visit.parent.back.shares, path, of[id(aliases[name])])

    def _tick(self) -> int:
        self.ticks += 1
        return self.ticks


def _note(table: dict[int, int], index: int, clock: Iterator[int], _: Tensor) -> None:
    table[index] = next(clock)


def plain(arguments: Arguments) -> dict[str, Any]:
    """Arguments with every tensor as an array, of its own but for parameters."""

    def array(value: Any) -> Any:
        if isinstance(value, nn.Parameter):  # it stays as it is while the run lasts
            return value.detach().cpu().numpy()
        return to_array(value) if isinstance(value, Tensor) else value

    return {name: array(value) for name, value in arguments.items()}
