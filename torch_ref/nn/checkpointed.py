"""Activation checkpointing, by ``torch.utils.checkpoint``."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Checkpointed(nn.Module):
    """``inner``, which runs again in the backward, with the same dropout."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *arguments: Any, **keywords: Any) -> Tensor:
        """As ``inner``."""
        return checkpointed(self.inner, *arguments, **keywords)


def checkpointed(inner: nn.Module, *arguments: Any, **keywords: Any) -> Tensor:
    """``inner(*arguments, **keywords)``, which runs again in the backward, with the same dropout.

    PyTorch puts its own random state back; a NumPy generator among the arguments is copied here.
    """
    kept = _copies(arguments, keywords)
    first = True

    def run(*arguments: Any, **keywords: Any) -> Any:
        nonlocal first
        if not first:
            generators = _copies(*kept)
            arguments = tuple(map(_replaced, arguments, generators[0]))
            keywords = {n: _replaced(a, generators[1][n]) for n, a in keywords.items()}
        first = False
        return inner(*arguments, **keywords)

    y: Tensor = checkpoint(run, *arguments, use_reentrant=False, **keywords)
    return y


def _copies(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """In the place of each generator a copy of it, of another argument None."""
    return tuple(map(_copied, arguments)), {name: _copied(a) for name, a in keywords.items()}


def _copied(argument: Any) -> Any:
    return copy.deepcopy(argument) if isinstance(argument, np.random.Generator) else None


def _replaced(argument: Any, generator: Any) -> Any:
    return argument if generator is None else generator
