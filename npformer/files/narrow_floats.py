"""Floats of 16 and 8 bits that NumPy has no dtype for, from their bytes to float32.

Every one of them is a float32 too, so nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def from_bfloat16(stored: Array) -> Array:
    """stored (2 n,) bytes, little-endian -> (n,) float32; a bfloat16 is the upper half of one."""
    wide = stored.view("<u2").astype(np.uint32)
    wide <<= 16
    return wide.view(np.float32)


def from_float8_e4m3(stored: Array) -> Array:
    """stored (n,) bytes -> (n,) float32.

    One bit of sign, four of exponent with a bias of 7, three of fraction; the largest number is
    448, and there is no infinity: all ones are NaN (Micikevicius et al., 2022, arXiv:2209.05433).
    """
    return _E4M3[stored]


def _e4m3() -> Array:
    code = np.arange(256)
    exponent, fraction = code >> 3 & 15, code & 7
    normal = np.ldexp(1 + fraction / 8, exponent - 7)
    size = np.where(exponent > 0, normal, np.ldexp(fraction / 8, -6))
    size[code & 127 == 127] = np.nan
    return np.where(code & 128, -size, size).astype(np.float32)


_E4M3 = _e4m3()

NARROW: dict[str, Callable[[Array], Array]] = {
    "BF16": from_bfloat16,
    "F8_E4M3": from_float8_e4m3,
}
"""By safetensors' names of them."""
