"""What lies in a cache: its fields, its arrays however deep, and whose memory they are.

Chapter     walkthroughs/13_looking_inside.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from npformer.ops.array import Array


def fields(cache: Any) -> list[tuple[str, Any]]:
    """The fields of a cache by name, or the items of a list of caches by number."""
    if hasattr(cache, "_asdict"):
        return list(cache._asdict().items())
    return [(str(i), item) for i, item in enumerate(cache)] if isinstance(cache, list) else []


def arrays(cache: Any, name: str = "") -> Iterator[tuple[str, Array]]:
    """Every array in a cache and in the caches inside it, by the name of its field."""
    if isinstance(cache, np.ndarray):
        yield name, cache
    for field, value in fields(cache):
        yield from arrays(value, field)


def owner(array: Array) -> Array:
    """The array whose memory this one shows: a view keeps the whole of it alive."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
