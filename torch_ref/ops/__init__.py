"""Which PyTorch function answers to which op of ``npformer.ops``: a file an op, under its name.

Each takes the arguments of the op's forward, as tensors, and returns its result; the backward is
autograd's.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any


def _discover() -> dict[str, Any]:
    """The public functions of every file, so that a new one is known here by its file alone."""
    modules = [import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }


# Last, for a file and its function have one name, and an import puts the file there.
globals().update(_discover())

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
