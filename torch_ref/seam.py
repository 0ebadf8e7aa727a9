"""The twin's own functions as PyTorch's: a ``TorchFunctionMode`` sees each call of one whole.

Modules have PyTorch's forward hooks (``hooked``); together these are what ``npformer.seam`` is to
the NumPy model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import nn
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


@contextmanager
def hooked(
    model: nn.Module, before: Callable[..., Any], after: Callable[..., Any]
) -> Iterator[None]:
    """Each call of a module of the tree goes by these, of whatever thread, until the block ends.

    ``before(module, args, kwargs)`` may return others in their place, and what ``after(module,
    args, y)`` returns is what the caller gets.
    """
    with ExitStack() as hooks:
        for module in model.modules():
            hooks.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(after).remove)
        yield
