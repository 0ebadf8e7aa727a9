"""Narrower number formats: what an array is when rounded to one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npformer.cards.case import Array


class Format(NamedTuple):
    """A format of floating-point numbers."""

    name: str
    eps: float
    """From 1 to the next number."""
    round: Callable[[Array], Array]
    """To the nearest number of the format, in the array's own dtype."""


def _cast(kind: type) -> Callable[[Array], Array]:
    return lambda a: a.astype(kind).astype(a.dtype)


def _shortened(bits: int) -> Callable[[Array], Array]:
    """float32 without the last ``bits`` of its mantissa, ties to even."""

    def round_to(a: Array) -> Array:
        single = np.ascontiguousarray(a, np.float32)
        words = single.view(np.uint32).astype(np.uint64)
        words += (1 << (bits - 1)) - 1 + ((words >> bits) & 1)
        short = ((words >> bits) << bits).astype(np.uint32).view(np.float32)
        rounded = np.where(np.isfinite(single), short, single)
        return rounded.reshape(a.shape).astype(a.dtype)

    return round_to


FLOAT32 = Format("float32", 2.0**-23, _cast(np.float32))
FLOAT16 = Format("float16", 2.0**-10, _cast(np.float16))
TF32 = Format("TF32", 2.0**-10, _shortened(13))
BFLOAT16 = Format("bf16", 2.0**-7, _shortened(16))
NARROW = (BFLOAT16, TF32, FLOAT16)
"""bf16 before those of more digits: its numbers are among theirs."""
