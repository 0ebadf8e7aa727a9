"""The twin's optimizers, from npformer's configuration, and their moments under npformer's names.

They are those of ``torch.optim``, found by the lower-case name of their class. One that PyTorch
lacks is a file here, as in ``npformer.optim``: a ``torch.optim.Optimizer`` under its own name. So
is one whose state is not of every parameter's shape; ``fresh(path, parameter)`` is what it begins
with.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from npformer.config import OptimConfig
from npformer.discovery import classes_by_file
from npformer.errors import ConfigError

MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v", "momentum_buffer": "momentum"}
"""npformer's names of what PyTorch's optimizers remember; any other has the same name in both."""
NOT_SAVED = {"step", "x"}
"""The engine counts the steps itself; x of two sequences is the model."""


@functools.cache
def twin_optimizer(name: str) -> type[torch.optim.Optimizer]:
    """The class of that name; raises ``ConfigError`` if neither PyTorch nor a file here has it."""
    theirs = vars(torch.optim).items()
    kinds = {each.lower(): kind for each, kind in theirs if isinstance(kind, type)}
    kinds |= classes_by_file(__name__, torch.optim.Optimizer)
    if name not in kinds:
        raise ConfigError(
            f"optimizer {name!r} has no twin: torch.optim has none of that name, and there is no "
            f"torch_ref/optim/{name}.py"
        )
    return kinds[name]


def make_optimizer(
    config: OptimConfig,
    named: Mapping[str, nn.Parameter],
    rates: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names, of parameters by path, its moments at zero.

    ``rates`` are factors of the learning rate by path; a group of parameters has its own, as
    ``factor``. The learning rate is 0 until the engine's ``update`` gives one. Fused where it can
    be: one pass over the memory, on the CPU too, where it takes a third of the time. Raises
    ``ConfigError`` as ``twin_optimizer``, and for shares of parameters where the optimizer needs
    whole ones.
    """
    by_factor: dict[float, list[tuple[str, nn.Parameter]]] = {}
    for path, parameter in named.items():
        by_factor.setdefault((rates or {}).get(path, 1.0), []).append((path, parameter))
    groups = [{"params": each, "factor": factor} for factor, each in by_factor.items()]
    optimizer = _make(config, groups if rates else list(named.items()))
    fresh = getattr(optimizer, "fresh", None)
    if getattr(optimizer, "whole", False) and any(hasattr(p, "to_local") for p in named.values()):
        raise ConfigError(
            f"{config.name} needs each matrix whole, and fsdp gives a rank some of its rows; "
            "take --parallel ddp, or adamw"
        )
    # PyTorch makes these at the first step; made here, a state can be read or restored before it.
    for path, parameter in named.items():
        if fresh is not None:
            optimizer.state[parameter] = fresh(path, parameter)
            continue
        for name in _state(config.name):
            optimizer.state[parameter][name] = (
                torch.zeros((), device=parameter.device)
                if name == "step"
                else torch.zeros_like(parameter)
            )
    return optimizer


def moments(
    config: OptimConfig, optimizer: torch.optim.Optimizer, named: dict[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The optimizer's own moment tensors as ``m/<path>``, ``v/<path>`` or ``momentum/<path>``."""
    states = {path: optimizer.state[parameter] for path, parameter in named.items()}
    names = dict.fromkeys(name for state in states.values() for name in state)
    return {
        f"{MOMENTS.get(name, name)}/{path}": state[name]
        for name in names
        if name not in NOT_SAVED
        for path, state in states.items()
        if name in state
    }


def train_weights(optimizer: torch.optim.Optimizer) -> bool:
    """Have the weights at which gradients are taken; whether they were others until now."""
    switch = getattr(optimizer, "train", None)
    return switch is not None and switch()


def evaluated_weights(optimizer: torch.optim.Optimizer) -> bool:
    """Have the weights that are evaluated and saved; whether they were others until now."""
    switch = getattr(optimizer, "eval", None)
    return switch is not None and switch()


def set_steps(optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Let the optimizer take its next step as number ``steps + 1``."""
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].fill_(steps)


def _make(config: OptimConfig, named: list[Any]) -> torch.optim.Optimizer:
    kind: Any = twin_optimizer(config.name)
    fused = {"fused": True} if "fused" in inspect.signature(kind).parameters else {}
    given = config.twin_arguments(kind)
    optimizer: torch.optim.Optimizer = kind(named, lr=0.0, **fused, **given)
    return optimizer


@functools.cache
def _state(name: str) -> list[str]:
    """The names of what the optimizer keeps for a parameter, from a step of it on one number."""
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    optimizer = _make(OptimConfig(name=name), [("", parameter)])
    optimizer.step()
    return list(optimizer.state[parameter])
