"""The twin as the suspect: every call is noted as it is made.

Every call gets an alias of each of its inputs and hands on one of its output, so that autograd
finds each call's own share of a gradient.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    Site,
    Trace,
    Visit,
    generator_of,
    generator_state,
    real_names,
)
from torch_ref.bridge import to_array


@dataclass
class _Tensors:
    """The call's own aliases, of which autograd finds the gradients."""

    visit: Visit
    inputs: dict[str, Tensor]
    weights: dict[str, str]
    """By argument, the parameter that it is."""
    output: Tensor = field(default_factory=lambda: torch.empty(0))


class TwinWatch(TwinObserver):
    """Notes every call."""

    def __init__(self, model: nn.Module, light: bool = False) -> None:
        """``light`` leaves out the parameters' gradients, which are most of the memory and time."""
        super().__init__(model)
        self._light = light
        self._tensors: list[_Tensors] = []  # of each visit
        self._open: list[_Tensors] = []  # of those that run now

    def begin(self, site: Site, arguments: Arguments) -> Arguments:
        number = self.number(site)
        visit = Visit(site, number, plain(arguments), self.innermost, self.tick(), caller())
        if (generator := generator_of(arguments.values())) is not None:
            visit.generator = generator_state(generator)
        real = {
            n: v for n, v in arguments.items() if isinstance(v, Tensor) and v.is_floating_point()
        }
        weights = {n: self.paths[id(v)] for n, v in real.items() if id(v) in self.paths}
        # What was cut off from the graph is given a gradient here, which goes no further.
        aliases = {
            n: v.view_as(v) if v.requires_grad else v.detach().requires_grad_()
            for n, v in real.items()
        }
        self.note(visit)
        self._tensors.append(_Tensors(visit, aliases, weights))
        self._open.append(self._tensors[-1])
        return {**arguments, **aliases}

    def end(self, y: Tensor, *losses: Tensor) -> Tensor:
        visit, call = self.stack.pop(), self._open.pop()
        call.output = y = y.view_as(y)
        visit.output, visit.end = to_array(y), self.tick()
        return y

    def stopped(self, error: Exception) -> Stopped:
        """What to raise where the model raised ``error``."""
        visit = self.innermost
        site = Site("", "forward", "") if visit is None else visit.site
        return stopped(site, 0 if visit is None else visit.number, "forward", error)

    def trace(self, loss: Tensor) -> Trace:
        """Everything watched, with the gradients that ``loss`` sends there; raises Stopped."""
        begun: dict[int, int] = {}
        ended: dict[int, int] = {}
        # Hooks must not hold this object: a graph that holds itself is never freed.
        clock = itertools.count(self.ticks + 1)
        leaves: list[Tensor] = [] if self._light else [*self.parameters.values()]
        for index, call in enumerate(self._tensors):
            if call.output.requires_grad:
                call.output.register_hook(functools.partial(_note, begun, index, clock))
                leaves.append(call.output)
            for name, alias in call.inputs.items():
                alias.register_hook(functools.partial(_note, ended, index, clock))
                if not (self._light and name in call.weights):
                    leaves.append(alias)
        with naming(Site("", "forward", ""), 0, "backward"):
            found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        self.ticks = next(clock)
        of = {id(leaf): to_array(g) for leaf, g in zip(leaves, found, strict=True)}
        for index, call in enumerate(self._tensors):
            begin = begun.get(index, self.ticks)
            self._finish(call, of, begin, ended.get(index, begin))
        gradients = {} if self._light else {path: of[id(p)] for path, p in self.parameters.items()}
        dtype = to_array(next(iter(self.parameters.values())).flatten()[:0]).dtype
        return Trace(self.visits, loss.item(), gradients, [], dtype, self.ticks)

    def _finish(self, call: _Tensors, of: dict[int, Array], begin: int, end: int) -> None:
        """Give a visit its backward; ``of`` are the gradients by a tensor's id."""
        visit = call.visit
        back = Back(of.get(id(call.output), np.zeros_like(visit.output)), begin, end)
        gradients = {name: of.get(id(alias)) for name, alias in call.inputs.items()}
        back.gradients = tuple(
            gradients[name] if name in gradients else np.zeros_like(visit.arguments[name])
            for name in real_names(visit.arguments)
        )
        # A parent comes before its calls, so its own backward is there to take their shares.
        visit.backs.append(back)
        if visit.parent is not None and visit.parent.back is not None and not self._light:
            for name, path in call.weights.items():
                add_share(visit.parent.back.shares, path, gradients[name])


def _note(table: dict[int, int], index: int, clock: Iterator[int], _: Tensor) -> None:
    table[index] = next(clock)


def plain(arguments: Arguments) -> dict[str, Any]:
    """Arguments with every tensor as an array, of its own but for parameters."""

    def array(value: Any) -> Any:
        if isinstance(value, nn.Parameter):  # it stays as it is while the run lasts
            return value.detach().cpu().numpy()
        return to_array(value) if isinstance(value, Tensor) else value

    return {name: array(value) for name, value in arguments.items()}
