"""PyTorch's optimizers from npformer's configuration, and their moments under npformer's names."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from npformer.config import OptimConfig

MOMENTS = {
    "adam": {"m": "exp_avg", "v": "exp_avg_sq"},
    "adamw": {"m": "exp_avg", "v": "exp_avg_sq"},
    "sgd": {"momentum": "momentum_buffer"},
}
"""For each optimizer, npformer's name of a moment and PyTorch's."""


def make_optimizer(
    config: OptimConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer that ``config`` names, its moments at zero.

    Its learning rate is 0 until the engine's ``update`` gives one. Fused: one pass over the
    memory, on the CPU too, where it takes a third of the time.
    """
    parameters = list(parameters)
    optimizer: torch.optim.Optimizer
    if config.name == "sgd":
        optimizer = torch.optim.SGD(
            parameters,
            lr=0.0,
            momentum=config.beta1,
            weight_decay=config.weight_decay,
            fused=True,
        )
    else:
        kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
        optimizer = kind(
            parameters,
            lr=0.0,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
    # PyTorch makes these at the first step; made here, a state can be read or restored before it.
    for parameter in parameters:
        state = optimizer.state[parameter]
        if config.name != "sgd":
            state["step"] = torch.zeros((), device=parameter.device)
        for name in MOMENTS[config.name].values():
            state[name] = torch.zeros_like(parameter)
    return optimizer


def moments(
    config: OptimConfig, optimizer: torch.optim.Optimizer, named: dict[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The optimizer's own moment tensors as ``m/<path>``, ``v/<path>`` or ``momentum/<path>``."""
    return {
        f"{ours}/{path}": optimizer.state[parameter][theirs]
        for ours, theirs in MOMENTS[config.name].items()
        for path, parameter in named.items()
    }


def set_steps(optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Let the optimizer take its next step as number ``steps + 1``."""
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].fill_(steps)
