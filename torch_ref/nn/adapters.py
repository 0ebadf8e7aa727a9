"""Adapters on the linear layers of a twin: put in, and taken out again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from torch_ref.nn.dora import DoRALinear
from torch_ref.nn.linear import Linear
from torch_ref.nn.lora import LoRALinear


def add_adapters(
    model: nn.Module,
    rank: int,
    alpha: float | None = None,
    *,
    targets: Iterable[str] = ("q_proj", "v_proj"),
    kind: str = "lora",
) -> list[str]:
    """Freeze ``model`` and adapt each linear layer with a name in ``targets``; their paths."""
    make: Any = {"lora": LoRALinear, "dora": DoRALinear}[kind]
    wanted = set(targets)
    model.requires_grad_(False)
    chosen = {
        path: module
        for path, module in model.named_modules()
        if type(module) is Linear and path.rpartition(".")[2] in wanted
    }
    for path, linear in chosen.items():
        place: dict[str, Any] = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        adapter = make(linear.in_features, linear.out_features, rank, alpha, **place)
        adapter.linear = linear
        if isinstance(adapter, DoRALinear):
            with torch.no_grad():
                adapter.magnitude.copy_(torch.linalg.vector_norm(linear.weight, dim=1))
        model.set_submodule(path, adapter)
    return list(chosen)
