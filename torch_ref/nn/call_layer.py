"""Running a layer so that autograd keeps all that it made, or only what it was given."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_ref.nn.checkpointed import checkpointed as run_again


def call_layer(layer: nn.Module, *arguments: Any, checkpointed: bool = False) -> Any:
    """``layer(*arguments)``; if ``checkpointed`` it runs again in the backward (Chen et al., 2016).

    The second run has the same dropout, see ``checkpointed.py``.
    """
    if checkpointed and torch.is_grad_enabled():
        return run_again(layer, *arguments)
    return layer(*arguments)
