"""The Transformer in NumPy, with every backward pass derived by hand.

``npformer.ops`` holds the mathematics, ``npformer.nn`` the modules, ``npformer.models`` the
families, and ``from_pretrained`` loads a model that somebody else has trained. Importing this
package needs NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npformer.pretrained import from_pretrained

__version__ = "0.1.0"
__all__ = ["from_pretrained"]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for; raises ``AttributeError`` for any other name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from npformer import pretrained

    return getattr(pretrained, name)
