"""PyTorch's own Adafactor, with what its state begins with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Adafactor(torch.optim.Adafactor):
    """``torch.optim.Adafactor``, which makes its state only at the first step.

    ``eps`` is the bound of the mean square's root; that of a parameter's size stays at 1e-3.
    """

    whole = True

    def __init__(
        self, params: Any, lr: float, *, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, eps=(eps, 1e-3), weight_decay=weight_decay)

    @staticmethod
    def fresh(path: str, weight: Tensor) -> dict[str, Tensor]:
        """Means of squares: one for each row and column of a matrix, or entry of a vector."""
        shape = list(weight.shape)
        if len(shape) < 2:
            kept = {"variance": shape}
        else:
            kept = {"row_var": [*shape[:-1], 1], "col_var": [*shape[:-2], 1, shape[-1]]}
        own = {name: weight.detach().new_zeros(size) for name, size in kept.items()}
        return {"step": torch.zeros(()), **own}
