"""The first oracle: PyTorch's autograd, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, Result
from npformer.cards.pytorch import torch


def torch_dtype(dtype: np.dtype) -> torch.dtype:
    """The PyTorch dtype of a NumPy one."""
    return torch.from_numpy(np.empty(0, dtype)).dtype


def to_tensor(array: Array) -> torch.Tensor:
    """A tensor of its own memory; PyTorch takes no negative strides and no read-only arrays."""
    return torch.from_numpy(np.array(array, order="C"))


def to_tensors(static: dict[str, Any]) -> dict[str, Any]:
    """Static arguments with every array as a tensor."""
    return {n: to_tensor(v) if isinstance(v, np.ndarray) else v for n, v in static.items()}


def gradients(y: torch.Tensor, leaves: dict[str, torch.Tensor], dy: Array) -> dict[str, Array]:
    """Autograd's gradient of every leaf, for the upstream gradient ``dy``; 0 of a frozen one."""
    found = {name: np.zeros(leaf.shape, dy.dtype) for name, leaf in leaves.items()}
    sought = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    if not y.requires_grad:  # an empty batch through a lookup may reach no leaf
        return found
    grads = torch.autograd.grad(y, list(sought.values()), to_tensor(dy), allow_unused=True)
    reached = {n: g.numpy() for n, g in zip(sought, grads, strict=True) if g is not None}
    return found | reached


def run_torch(function: Callable[..., torch.Tensor], case: Case, static: dict[str, Any]) -> Result:
    """A PyTorch function on a case: its output, and autograd's gradient of every input."""
    leaves = {name: to_tensor(a).requires_grad_() for name, a in case.inputs.items()}
    y = function(**leaves, **to_tensors(static))
    found = gradients(y, leaves, case.dy)
    return {"y": y.detach().numpy()} | {f"d{name}": g for name, g in found.items()}
