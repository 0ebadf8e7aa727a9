"""The twin as the reference: every call is a graph of its own, on the suspect's own numbers.

The graph reaches from the inputs that the suspect's call saw to the output; the calls inside hand
on the suspect's output in the forward and the suspect's gradients in the backward (``Handed``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from npformer.verify.lockstep.alignment import aligned, counterpart, one_of
from npformer.verify.lockstep.twin_graph import Graph, Handed
from npformer.verify.lockstep.twin_observer import Arguments, TwinObserver
from npformer.verify.lockstep.twin_watch import plain
from npformer.verify.lockstep.verdicts import Verdicts
from npformer.verify.lockstep.visits import (
    Array,
    Site,
    Trace,
    Visit,
    generator_at,
    giver,
    real,
    real_names,
)
from torch_ref.bridge import to_array, to_tensor


class _Call(NamedTuple):
    """One that runs now."""

    visit: Visit
    owner: Visit | None
    here: Graph | None
    """Of the call that makes it."""
    running: Graph
    arguments: Arguments
    """As the reference has them."""
    wide: dict[str, Any]
    """As the suspect had them, in float64."""
    alone: int


class TwinForce(TwinObserver):
    """Gives every call the suspect's numbers, and compares what the reference makes of them."""

    def __init__(self, model: nn.Module, suspect: Trace, own: Trace, judge: Verdicts) -> None:
        super().__init__(model)
        self.suspect = suspect
        self.judge = judge
        self._own = own
        self._running: list[Graph] = []
        self._open: list[_Call | None] = []  # the calls that run now, None without a counterpart
        self._alone = 0

    def begin(self, site: Site, arguments: Arguments) -> Arguments:
        number = self.number(site)
        visit = counterpart(self.suspect, self._own, site.key, number)
        owner = self.innermost
        here = self._running[-1] if self._running else None
        if here is not None:
            self._use(here, arguments)
        if visit is None:
            if not self._alone:
                self.judge.missing(owner, site, number, "forward")
            self._alone += 1  # the calls inside it may have their counterparts
            self._open.append(None)
            return arguments
        own = plain(arguments)
        theirs = aligned(own, visit.arguments)
        terms = [*(here.seen if here else []), *(v for v in theirs.values() if real(v))]
        for i, (name, value) in enumerate(own.items()):
            by = giver(owner, site.path, first=i == 0)
            if here is not None and by is not owner and real(value):
                here.captured[id(arguments[name])] = arguments[name]
            found = theirs[name]
            self.judge.passed(by, visit, name, value, found, terms, "forward", visit.begin)
        wide = {n: one_of(own[n], v) for n, v in theirs.items()}
        given: dict[str, Any] = {}
        for n, v in wide.items():
            if isinstance(arguments[n], nn.Parameter) and v is own[n]:
                given[n] = arguments[n].detach()  # a weight need not be there twice
            else:
                given[n] = to_tensor(v) if isinstance(v, np.ndarray) else v
        for name, value in given.items():
            if isinstance(value, Tensor) and value.is_floating_point():
                given[name] = value.requires_grad_()
            elif isinstance(value, np.random.Generator) and visit.generator is not None:
                given[name] = generator_at(visit.generator)
        leaves = {n: v for n, v in given.items() if isinstance(v, Tensor) and v.requires_grad}
        running = Graph(leaves, [v for v in wide.values() if real(v)])
        if not site.is_op:  # a module may use its parameters without an op
            for path, parameter in self.parameters.items():
                if path.rpartition(".")[0] == site.path:
                    running.parameters[path] = parameter
        self.stack.append(visit)
        self._running.append(running)
        self._open.append(_Call(visit, owner, here, running, arguments, wide, self._alone))
        self._alone = 0
        return given

    def end(self, y: Tensor, *losses: Tensor) -> Tensor:
        call = self._open.pop()
        if call is None:
            self._alone -= 1
            return y
        visit, owner, here, running, arguments, wide, self._alone = call
        self._running.pop()
        self.stack.pop()
        self.judge.output(visit, to_array(y), wide, running.seen)
        captured = list(running.captured.values())
        besides = self._judge_back(visit, y, running, wide, losses)
        assert visit.output is not None
        output = to_tensor(visit.output.astype(np.float64))
        if here is None:
            return output.requires_grad_()
        here.seen += [v for v in (*wide.values(), to_array(output)) if real(v)]
        # In the order of the suspect's gradients; the reference's own argument may be missing.
        names = [n for n in real_names(wide) if isinstance(arguments[n], Tensor)]
        leaves = [running.leaves[n] for n in names] + captured
        back = self._hand_back(visit, owner, (here, running), y, leaves, names, wide, besides)
        inputs = [*(arguments[n] for n in names), *captured]
        return Handed.apply(back, output, here.thread, *inputs)

    def beside(self, auxiliary: Any) -> Any:
        """Without a gradient: the one that the suspect adds is among what the call hands on."""
        return auxiliary._replace(loss=auxiliary.loss.detach())

    def _judge_back(
        self,
        visit: Visit,
        y: Tensor,
        running: Graph,
        wide: dict[str, Any],
        losses: Sequence[Tensor],
    ) -> list[Array]:
        """Verdicts the backward; the gradients of what was captured."""
        back = visit.back
        if back is None or back.dy is None:
            return []
        if back.dy.shape != tuple(y.shape):  # the output was found to be of another shape
            return [np.zeros(tuple(one.shape)) for one in running.captured.values()]
        running.seen.append(back.dy.astype(np.float64))
        self.stack.append(visit)
        self._running.append(running)
        gradient = running.gradients(y, to_tensor(back.dy.astype(np.float64)), losses)
        self._running.pop()
        self.stack.pop()
        names = [*running.leaves, *running.captured_by_name]
        self.judge.gradients(visit, tuple(gradient[n] for n in names), wide, running.seen)
        for path in {**running.parameters, **running.shares, **back.shares}:
            share = running.share(path, gradient)
            self.judge.share(visit, path, share, back.shares.get(path), running.seen)
        return [gradient[name] for name in running.captured_by_name]

    def _hand_back(
        self,
        visit: Visit,
        owner: Visit | None,
        around: tuple[Graph, Graph],
        y: Tensor,
        leaves: list[Tensor],
        names: list[str],
        wide: dict[str, Any],
        besides: list[Array],
    ) -> Callable[[Tensor], tuple[Any, ...]]:
        here, running = around
        order = real_names(wide)

        def back(dy: Tensor) -> tuple[Any, ...]:
            noted = visit.back
            if noted is None or noted.dy is None:
                if not self._alone and dy.any():
                    self.judge.missing(owner, visit.site, visit.number, "backward")
                self._alone += 1
                try:
                    return running.by_itself(y, leaves, dy, here)
                finally:
                    self._alone -= 1
            terms = [*here.seen, noted.dy]
            self.judge.passed(
                owner, visit, "dy", to_array(dy), noted.dy, terms, "backward", noted.begin
            )
            given = [g for g in noted.gradients if g is not None]
            theirs = dict(zip(order, given, strict=False))
            handed = [theirs.get(n) for n in names]
            handed += [*given[len(order) :], *besides[len(given[len(order) :]) :]][: len(besides)]
            return tuple(None if g is None else to_tensor(g.astype(np.float64)) for g in handed)

        return back

    def _use(self, running: Graph, arguments: Arguments) -> None:
        for value in arguments.values():
            if isinstance(value, nn.Parameter):
                running.parameters[self.paths[id(value)]] = value
