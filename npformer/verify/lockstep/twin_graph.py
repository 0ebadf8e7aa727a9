"""The reference twin's graph of one call, cut off at the calls inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npformer.verify.lockstep.alignment import add_share
from npformer.verify.lockstep.visits import Array
from torch_ref.bridge import to_array


class Handed(torch.autograd.Function):
    """The suspect's output on the way, and on the way back the suspect's gradients."""

    @staticmethod
    def forward(ctx: Any, back: Any, output: Tensor, thread: Tensor, *inputs: Tensor) -> Tensor:
        ctx.back, ctx.shapes = back, [one.shape for one in inputs]
        return output.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        found = zip(ctx.back(grads[0]), ctx.shapes, strict=True)
        # The suspect may have given the call an argument of another shape, and been told so.
        fit = (g if g is not None and g.shape == shape else None for g, shape in found)
        return (None, None, None, *fit)


class Graph:
    """From the inputs of one call to its output."""

    def __init__(self, leaves: dict[str, Tensor], seen: list[Array]) -> None:
        self.leaves = leaves
        self.seen = seen
        self.thread = torch.zeros((), dtype=torch.float64, requires_grad=True)
        """Runs through every call inside, so that autograd visits it whatever its inputs are."""
        self.parameters: dict[str, Tensor] = {}
        """Those that the method itself hands to an op."""
        self.shares: dict[str, Array] = {}
        """What calls inside it, whose backward the suspect never runs, would add to parameters."""
        self.captured: dict[int, Tensor] = {}
        """By id, what the sub-layer that it was given reads of others: the memory."""

    @property
    def captured_by_name(self) -> dict[str, Tensor]:
        """What was captured, under names that no argument has."""
        return {f" {number}": one for number, one in enumerate(self.captured.values())}

    def gradients(self, y: Tensor, dy: Tensor, losses: Sequence[Tensor]) -> dict[str, Array]:
        """dy of the output y -> by name, of the leaves, of what was captured, of the parameters.

        With those of the auxiliary ``losses`` that the call itself makes.
        """
        every = {**self.leaves, **self.captured_by_name, **self.parameters, "": self.thread}
        found: tuple[Any, ...] = (None,) * len(every)
        roots = {y: dy} | {loss: torch.ones_like(loss) for loss in losses}
        roots = {root: d for root, d in roots.items() if root.requires_grad}
        if roots:
            found = torch.autograd.grad(
                [*roots], [*every.values()], [*roots.values()], allow_unused=True, retain_graph=True
            )
        return {
            name: np.zeros(leaf.shape) if g is None else to_array(g)
            for (name, leaf), g in zip(every.items(), found, strict=True)
        }

    def share(self, path: str, gradients: dict[str, Array]) -> Any:
        """What the call adds to a parameter, by its own ``gradients`` and by calls inside it."""
        share = gradients.get(path) if path in self.parameters else None
        if path in self.shares:
            return self.shares[path] + (0.0 if share is None else share)
        return share

    def by_itself(
        self, y: Tensor, leaves: list[Tensor], dy: Tensor, around: Graph
    ) -> tuple[Any, ...]:
        """The gradients of ``leaves``, of a call whose backward the suspect never runs.

        What it would add to parameters goes to the graph ``around`` it.
        """
        wanted = [*leaves, *self.parameters.values()]
        if not wanted or not y.requires_grad:
            return (None,) * len(leaves)
        found = torch.autograd.grad(y, wanted, dy, allow_unused=True, retain_graph=True)
        shares = dict(zip(self.parameters, found[len(leaves) :], strict=True))
        for path, share in [*shares.items(), *self.shares.items()]:
            if share is not None:
                add_share(around.shares, path, np.asarray(share))
        return found[: len(leaves)]
