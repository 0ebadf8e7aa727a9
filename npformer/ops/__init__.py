"""The mathematics: one file is one op, its forward, its backward, and how that follows.

An op is a pair of pure functions, ``y, cache = op_forward(...)`` and ``dx, ... = op_backward(dy,
cache)``, with a gradient for each array argument that has one, in the arguments' order. The
cache is the exact list of what the backward needs. Inputs are never written to, may have any
strides, may be read-only, and may have no rows. NOTATION.md, one folder up, explains the letters.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

from npformer.ops.array import Array
from npformer.ops.masks import causal_mask, padding_mask
from npformer.ops.positions import sinusoidal_positions

__all__ = ["Array", "causal_mask", "padding_mask", "sinusoidal_positions"]


def _discover() -> None:
    """The public names of every file X that holds an op, X_forward with X_backward.

    So a new op is known here by its file alone. What is imported this way is found when the package
    is, and ``dir`` and completion in a running Python see it; a type checker, which runs nothing,
    takes any name of this package on trust. The op's own file has the types:
    ``from npformer.ops.layer_norm import layer_norm_forward``.
    """
    for file in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{file.name}")
        if not hasattr(module, f"{file.name}_forward"):
            continue
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__:
                globals()[name] = value
                __all__.append(name)


_discover()

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
