"""AdEMAMix by its paper's formula (Pagliardini et al., 2024, algorithm 1)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from torch_ref.optim.stepping import turns, zeros


class AdEMAMix(torch.optim.Optimizer):
    """AdamW with a second, slow mean in the numerator."""

    def __init__(
        self,
        params: Any,
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        beta3: float = 0.9999,
        slow_factor: float = 5.0,
        slow_warmup: int = 0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"betas": betas, "beta3": beta3, "slow_factor": slow_factor, "eps": eps}
        more = {"slow_warmup": slow_warmup, "weight_decay": weight_decay}
        super().__init__(params, {"lr": lr, **settings, **more})

    @staticmethod
    def fresh(path: str, weight: Tensor) -> dict[str, Tensor]:
        """All three means start at zero."""
        return zeros(weight, "m", "slow", "v")

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group, _, weight, g, state, t in turns(self):
            beta1, beta2 = group["betas"]
            alpha, beta3 = _scheduled(t, group["slow_warmup"], group["slow_factor"], group, beta1)
            m, slow, v = state["m"], state["slow"], state["v"]
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            slow.mul_(beta3).add_(g, alpha=1 - beta3)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            mean = m / (1 - beta1**t) + alpha * slow
            root = torch.sqrt(v / (1 - beta2**t)) + group["eps"]
            weight.sub_(group["lr"] * (mean / root + group["weight_decay"] * weight))


def _scheduled(
    t: int, over: int, alpha: float, group: dict[str, Any], start: float
) -> tuple[float, float]:
    """alpha(t) and beta3(t), the paper's equations for schedulers that end at step ``over``."""
    end: float = group["beta3"]
    if over == 0 or t >= over:
        return alpha, end
    rising = min(t * alpha / over, alpha)
    if end == 0 or start == 0:  # the logarithm's limit
        return rising, end ** (over / t) if end else 0.0
    low, high, share = math.log(start), math.log(end), t / over
    return rising, min(math.exp(low * high / ((1 - share) * high + share * low)), end)
