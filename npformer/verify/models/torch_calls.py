"""Every call of a module's parts in PyTorch, forward and backward, by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from npformer.cards.case import Array
from npformer.verify.models.calls import Calls, ModuleCall


@contextmanager
def watching(module: torch.nn.Module, calls: Calls) -> Iterator[None]:
    """Hooks on every module; a copy of each input, whose gradient is this call's alone."""
    running: list[ModuleCall] = []
    handles = []

    def enter(path: str, own: tuple[str, ...]) -> Any:
        def hook(module: Any, args: Any, kwargs: Any) -> Any:
            call = calls.begin(path, type(module).__name__, own)
            running.append(call)

            def noted(value: Any) -> Any:
                if not isinstance(value, torch.Tensor):
                    return value
                place = len(call.inputs)
                call.inputs.append(array(value))
                call.dx.append(None)
                if not (value.requires_grad and torch.is_grad_enabled()):
                    return value
                own_copy = value.clone()

                def arrived(gradient: torch.Tensor) -> None:
                    if call not in calls.backwards:
                        calls.backwards.append(call)
                    call.dx[place] = array(gradient)

                own_copy.register_hook(arrived)
                return own_copy

            return _mapped(noted, args), _mapped(noted, kwargs)

        return hook

    def leave(module: Any, args: Any, kwargs: Any, result: Any) -> None:
        call = running.pop()

        def noted(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                place = len(call.outputs)
                call.outputs.append(array(value))
                call.dy.append(None)
                if value.requires_grad and torch.is_grad_enabled():
                    value.register_hook(lambda g: call.dy.__setitem__(place, array(g)))
            return value

        _mapped(noted, result)
        calls.ended.append(call)

    for path, part in module.named_modules():
        names = [f"{path}.{n}".lstrip(".") for n, _ in part.named_parameters(recurse=False)]
        entered = enter(path, tuple(names))
        handles.append(part.register_forward_pre_hook(entered, with_kwargs=True))
        handles.append(part.register_forward_hook(leave, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def array(tensor: Any) -> Array:
    found = tensor.detach()
    if found.dtype in (torch.bfloat16, torch.float16):
        found = found.float()
    return found.cpu().numpy().copy()


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Through tuples, lists and dictionaries, as PyTorch's hooks see them."""
    if type(value) in (tuple, list):
        return type(value)(_mapped(function, v) for v in value)
    if type(value) is dict:
        return {k: _mapped(function, v) for k, v in value.items()}
    return function(value)
