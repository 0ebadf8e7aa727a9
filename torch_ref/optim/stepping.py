"""The walk that the optimizers of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Turn(NamedTuple):
    """One parameter's turn in a step."""

    group: dict[str, Any]
    """The settings, ``lr`` among them."""
    path: str
    weight: Tensor
    gradient: Tensor
    state: dict[str, Tensor]
    """What the optimizer's ``fresh`` made, as the last step left it."""
    step: int
    """From 1."""


def turns(optimizer: torch.optim.Optimizer) -> Iterator[Turn]:
    """Every parameter that has a gradient; its count goes up by one."""
    fresh: Any = optimizer.fresh  # type: ignore[attr-defined]
    for group in optimizer.param_groups:
        paths = group.get("param_names") or [""] * len(group["params"])
        for path, weight in zip(paths, group["params"], strict=True):
            if weight.grad is None:
                continue
            state = optimizer.state[weight]
            if not state:
                state.update(fresh(path, weight))
            state["step"] += 1
            yield Turn(group, path, weight, weight.grad, state, int(state["step"].item()))


def zeros(weight: Tensor, *names: str) -> dict[str, Tensor]:
    """A count of steps, and a tensor of the weight's shape for each name."""
    return {
        "step": torch.zeros(()),  # on the CPU: to read it there waits for nothing
        **{name: torch.zeros_like(weight, requires_grad=False) for name in names},
    }
