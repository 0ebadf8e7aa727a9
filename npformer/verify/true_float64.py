"""A library's model in float64, all of it.

``model.double()`` is not: norms, rotations and some softmaxes of the transformers library ask for
float32 by name, whatever the dtype of the weights, and err by 1e-7 to 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _Wide(TorchFunctionMode):
    """Whatever asks PyTorch for float32 gets float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        args = tuple(torch.float64 if arg is torch.float32 else arg for arg in args)
        kwargs = {
            name: torch.float64 if value is torch.float32 else value
            for name, value in (kwargs or {}).items()
        }
        return func(*args, **kwargs)


@contextmanager
def exact() -> Iterator[None]:
    """Build and run a model of the library in float64; its tables of positions too."""
    before, narrow, legacy = torch.get_default_dtype(), torch.FloatTensor, "FloatTensor"
    torch.set_default_dtype(torch.float64)
    setattr(torch, legacy, torch.DoubleTensor)  # Marian's table of positions
    try:
        with _Wide():
            yield
    finally:
        torch.set_default_dtype(before)
        setattr(torch, legacy, narrow)
