"""The twin's own functions as PyTorch's: a ``TorchFunctionMode`` sees each call of one whole.

Modules have PyTorch's forward hooks; together these are what ``npformer.seam`` is to the NumPy
model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from torch.overrides import handle_torch_function, has_torch_function

F = TypeVar("F", bound=Callable[..., Any])

OPS: set[Callable[..., Any]] = set()
"""What a mode may be shown besides PyTorch's functions."""


def op(function: F) -> F:
    """A function of tensors, or a method besides ``forward``, that modes see."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if has_torch_function(args):
            return handle_torch_function(called, args, *args, **kwargs)
        return function(*args, **kwargs)

    OPS.add(called)
    return called  # type: ignore[return-value]
