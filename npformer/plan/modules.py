"""Which module's operation is at work, in the forward and in the backward."""

from __future__ import annotations

from bisect import bisect
from typing import NamedTuple

import torch
from torch import nn


class MadeAt(NamedTuple):
    """Where a computation is: what made a storage, say."""

    module: str
    """The module's name; empty for the whole."""
    running: bool
    """Whether the module's forward is running: for the first time, or again in the backward."""
    backward: bool


class Modules:
    """Follows the modules of ``root`` by hooks.

    A node of the backward has the number that it got when the forward made it, and numbers ascend:
    so a list of which module began or went on at which number tells whose node it is.
    """

    def __init__(self, root: nn.Module) -> None:
        self._open: list[str] = []
        self._numbers: list[int] = []
        self._names: list[str] = []
        for name, module in root.named_modules():
            self._follow(name, module)

    def _follow(self, name: str, module: nn.Module) -> None:
        def enter(*_: object) -> None:
            self._open.append(name)
            self._note()

        def leave(*_: object) -> None:
            self._open.pop()
            self._note()

        module.register_forward_pre_hook(enter)
        # A checkpointed layer's second run is broken off once all is there: hence always.
        module.register_forward_hook(leave, always_call=True)

    def _note(self) -> None:
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._names.append(self._open[-1] if self._open else "")

    def place(self) -> MadeAt:
        """The module whose operation is at work."""
        node = torch._C._current_autograd_node()
        if self._open:
            return MadeAt(self._open[-1], True, node is not None)
        at = 0 if node is None else bisect(self._numbers, node._sequence_nr())
        return MadeAt(self._names[at - 1] if at else "", False, node is not None)
