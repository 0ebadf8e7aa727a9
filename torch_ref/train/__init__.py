"""The twin's engine for npformer's training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_ref.train.engine import TorchEngine as TorchEngine

__all__ = ["TorchEngine"]


def __getattr__(name: str) -> Any:
    """``TorchEngine``, imported when asked for; raises ``AttributeError`` for any other name."""
    # Late: ``python -m torch_ref.train`` begins here, and says in a line that PyTorch is missing.
    if name != "TorchEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from torch_ref.train.engine import TorchEngine

    return TorchEngine
