"""Lion by its paper's formula (Chen et al., 2023, algorithm 2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torch_ref.optim.stepping import turns, zeros


class Lion(torch.optim.Optimizer):
    """Steps by the sign of a mean; the decay is decoupled."""

    def __init__(
        self,
        params: Any,
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @staticmethod
    def fresh(path: str, weight: Tensor) -> dict[str, Tensor]:
        """The mean starts at zero."""
        return zeros(weight, "m")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group, _, weight, g, state, _ in turns(self):
            beta1, beta2 = group["betas"]
            m, rate = state["m"], group["lr"]
            update = torch.sign(beta1 * m + (1 - beta1) * g)
            weight.sub_(rate * (update + group["weight_decay"] * weight))
            m.mul_(beta2).add_(g, alpha=1 - beta2)
