"""Adapters on the linear layers of any model: put in, merged for use, and taken out again.

``add_adapters`` freezes a model and replaces linear layers by ``LoRALinear`` or ``DoRALinear``
around them. ``merge`` puts plain layers in their place, whose weights are the sums: then the model
is as fast as before. It keeps the adapters, so that ``unmerge`` gives back the same arrays, bit for
bit; subtracting the update from a sum that was rounded would not. What merging itself costs is one
rounding of each weight.

Chapter     walkthroughs/21_memory_against_arithmetic.md
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from npformer.errors import ConfigError
from npformer.nn.dora import DoRALinear
from npformer.nn.linear import Linear
from npformer.nn.lora import LoRALinear
from npformer.nn.module import Module, Parameter, put_module, require_positive

Adapter = LoRALinear | DoRALinear
KINDS: dict[str, Any] = {"lora": LoRALinear, "dora": DoRALinear}


def add_adapters(
    model: Module,
    rank: int,
    alpha: float | None = None,
    *,
    targets: Iterable[str] = ("q_proj", "v_proj"),
    kind: Literal["lora", "dora"] = "lora",
    rng: np.random.Generator,
) -> list[str]:
    """Freeze ``model`` and adapt each linear layer with a name in ``targets``; their paths.

    The adapters keep the dtype of the layers that they are around, and their very arrays. Raises
    ConfigError if a target names no linear layer, for an unknown kind, and for a rank below 1.
    """
    if kind not in KINDS:
        raise ConfigError(f"an adapter is {kind!r}; choose one of {', '.join(KINDS)}")
    require_positive(rank=rank)
    found = {path: m for path, m in model.named_modules() if type(m) is Linear and path}
    names, wanted = linears(model), list(targets)
    for target in wanted:
        if target not in names:
            raise ConfigError(
                f"no linear layer is called {target!r}; the model has {', '.join(names)}"
            )
    for parameter in model.parameters():
        parameter.trainable = False
        parameter.grad = None
    chosen = [path for path in found if path.rpartition(".")[2] in wanted]
    for path in chosen:
        linear = found[path]
        out_features, in_features = linear.weight.data.shape
        dtype = linear.weight.data.dtype
        adapter = KINDS[kind](in_features, out_features, rank, alpha, rng=rng, dtype=dtype)
        adapter.linear = linear
        if isinstance(adapter, DoRALinear):
            weight = linear.weight.data
            adapter.magnitude = Parameter(np.sqrt(np.vecdot(weight, weight)))
        put_module(model, path, adapter)
    return chosen


def linears(model: Module) -> list[str]:
    """The names of the model's linear layers, the last part of their paths; sorted."""
    paths = [path for path, module in model.named_modules() if type(module) is Linear]
    return sorted({path.rpartition(".")[2] for path in paths} - {""})


def merge(model: Module) -> dict[str, Adapter]:
    """Put a plain linear layer in the place of every adapter; the adapters, by path."""
    found = {p: m for p, m in model.named_modules() if isinstance(m, LoRALinear | DoRALinear)}
    for path, adapter in found.items():
        linear = copy.copy(adapter.linear)
        linear.weight = Parameter(adapter.merged_weight(), trainable=False)
        put_module(model, path, linear)
    return found


def unmerge(model: Module, adapters: Mapping[str, Adapter]) -> None:
    """Put the adapters that ``merge`` gave back into their places."""
    for path, adapter in adapters.items():
        put_module(model, path, adapter)
