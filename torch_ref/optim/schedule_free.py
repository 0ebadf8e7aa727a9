"""Schedule-free AdamW by its paper's formula (Defazio et al., 2024, algorithm 1)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from torch_ref.optim.stepping import turns, zeros


class ScheduleFree(torch.optim.Optimizer):
    """The weights are y after ``train``, where gradients are taken, and x after ``eval``."""

    def __init__(
        self,
        params: Any,
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings)
        self.training = False

    @staticmethod
    def fresh(path: str, weight: Tensor) -> dict[str, Tensor]:
        """z and x are set when training begins; ``squares`` is the sum of the rates' squares."""
        return {**zeros(weight, "z", "v", "x"), "squares": torch.zeros((), dtype=torch.float64)}

    @torch.no_grad()
    def train(self) -> bool:
        """y in the weights; whether it was x."""
        if self.training:
            return False
        self.training = True
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state.update(self.fresh("", weight))
                state["x"].copy_(weight)
                if state["step"] == 0:
                    state["z"].copy_(weight)
                self._mix(weight, state, group["betas"][0])
        return True

    @torch.no_grad()
    def eval(self) -> bool:
        """x in the weights; whether it was y."""
        if not self.training:
            return False
        self.training = False
        for group in self.param_groups:
            for weight in group["params"]:
                weight.copy_(self.state[weight]["x"])
        return True

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.train()
        for group, _, weight, g, state, t in turns(self):
            beta1, beta2 = group["betas"]
            x, z, v, squares = state["x"], state["z"], state["v"], state["squares"]
            rate = group["lr"] * math.sqrt(1 - beta2**t)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            z.sub_(rate * (g / (v.sqrt() + group["eps"]) + group["weight_decay"] * weight))
            squares.add_(rate**2)
            share = rate**2 / squares.item() if rate else 0.0
            x.lerp_(z, share)
            self._mix(weight, state, beta1)

    @staticmethod
    def _mix(weight: Tensor, state: dict[str, Tensor], beta1: float) -> None:
        weight.copy_(torch.lerp(state["x"], state["z"], 1 - beta1))
