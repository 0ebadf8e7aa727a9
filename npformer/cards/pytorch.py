"""PyTorch and the twin's ops, imported when somebody first asks one of them for something.

The import takes seconds, and what only draws cases and runs the NumPy side needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from npformer.errors import missing


class Late(ModuleType):
    """A module in name; its attributes are the real one's."""

    def __getattr__(self, name: str) -> Any:
        """Raises ``ModuleNotFoundError``, and says what to install, if PyTorch is missing."""
        try:
            module = import_module(self.__name__)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ModuleNotFoundError(missing("torch", "verify"), name="torch") from None
        return getattr(module, name)


if TYPE_CHECKING:
    import torch as torch
    from torch.nn import functional

    from torch_ref import bridge as bridge
    from torch_ref import ops as ops

    F = functional
    from torch_ref import optim as optim
else:
    torch = Late("torch")
    F = Late("torch.nn.functional")
    bridge = Late("torch_ref.bridge")
    ops = Late("torch_ref.ops")
    optim = Late("torch_ref.optim")
