"""The twin's optimizers, from npformer's configuration, and their moments under npformer's names.

They are those of ``torch.optim``, found by the lower-case name of their class. One that PyTorch
lacks is a file here, as in ``npformer.optim``: a ``torch.optim.Optimizer`` under its own name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from npformer.config import OptimConfig
from npformer.discovery import classes_by_file
from npformer.errors import ConfigError

MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v", "momentum_buffer": "momentum"}
"""npformer's names of what PyTorch's optimizers remember; any other has the same name in both."""


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
    config: OptimConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names, its moments at zero.

    Its learning rate is 0 until the engine's ``update`` gives one. Fused where it can be: one pass
    over the memory, on the CPU too, where it takes a third of the time. Raises ``ConfigError`` as
    ``twin_optimizer``.
    """
    parameters = list(parameters)
    optimizer = _make(config, parameters)
    # PyTorch makes these at the first step; made here, a state can be read or restored before it.
    for parameter in parameters:
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
    return {
        f"{MOMENTS.get(name, name)}/{path}": optimizer.state[parameter][name]
        for name in _state(config.name)
        if name != "step"
        for path, parameter in named.items()
    }


def set_steps(optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Let the optimizer take its next step as number ``steps + 1``."""
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].fill_(steps)


def _make(config: OptimConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    kind: Any = twin_optimizer(config.name)
    fused = {"fused": True} if "fused" in inspect.signature(kind).parameters else {}
    given = config.twin_arguments(kind)
    optimizer: torch.optim.Optimizer = kind(parameters, lr=0.0, **fused, **given)
    return optimizer


@functools.cache
def _state(name: str) -> list[str]:
    """The names of what the optimizer keeps for a parameter, from a step of it on one number."""
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    optimizer = _make(OptimConfig(name=name), [parameter])
    optimizer.step()
    return list(optimizer.state[parameter])
