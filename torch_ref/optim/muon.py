"""Muon for the layers' matrices and AdamW for all else, with products in the weights' own dtype.

``torch.optim.Muon`` takes matrices alone and makes its products in bfloat16 whatever they are, so
that nothing can be measured against it more finely than to two digits. The tests hold this one
against it with that cast taken out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from torch_ref.optim.stepping import turns, zeros


class Muon(torch.optim.Optimizer):
    """A path with a number in it is a layer's: its matrices but tables of positions take part."""

    whole = True

    def __init__(
        self,
        params: Any,
        lr: float,
        *,
        muon_momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        adjust_lr_fn: str = "match_rms_adamw",
    ) -> None:
        settings = {"muon_momentum": muon_momentum, "betas": betas, "eps": eps}
        more = {"weight_decay": weight_decay, "adjust_lr_fn": adjust_lr_fn}
        super().__init__(params, {"lr": lr, **settings, **more})

    @staticmethod
    def fresh(path: str, weight: Tensor) -> dict[str, Tensor]:
        """One moment of a layer's matrix, and AdamW's two of everything else."""
        parts = path.split(".")
        layer, table = any(part.isdigit() for part in parts), "positions" in parts
        hidden = weight.ndim >= 2 and parts[-1] != "bias" and layer and not table
        return zeros(weight, *(("momentum",) if hidden else ("m", "v")))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group, _, weight, g, state, t in turns(self):
            rate = group["lr"]
            weight.mul_(1 - rate * group["weight_decay"])
            if "momentum" in state:
                momentum, beta = state["momentum"], group["muon_momentum"]
                momentum.lerp_(g, 1 - beta)
                update = orthogonal(g.lerp(momentum, beta))
                weight.sub_(rate * _adjusted(weight, group["adjust_lr_fn"]) * update)
                continue
            (beta1, beta2), m, v = group["betas"], state["m"], state["v"]
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            root = torch.sqrt(v / (1 - beta2**t)) + group["eps"]
            weight.sub_(rate / (1 - beta1**t) * m / root)


def orthogonal(g: Tensor) -> Tensor:
    """Five quintic steps of Newton-Schulz, with the coefficients of ``torch.optim.Muon``.

    Of a stack of matrices (E, O, I) each by itself.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / torch.linalg.matrix_norm(g, keepdim=True).clamp(min=1e-7)
    turned = x.shape[-2] > x.shape[-1]
    wide = x.mT if turned else x
    for _ in range(5):
        square = wide @ wide.mT
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide.mT if turned else wide


def _adjusted(weight: Tensor, rule: str) -> float:
    outputs, inputs = weight.shape[-2:]
    if rule == "original":
        return math.sqrt(max(1.0, outputs / inputs))
    return 0.2 * math.sqrt(max(outputs, inputs))
