"""Tensors as the page holds them: panels of rows and columns, pooled where large, 16 bits a value.

A float is kept as a float16 times one power of two for the whole tensor, chosen so that the
largest magnitude lies just below float16's limit. Gradients of 1e-9 then keep their three digits
as well as activations of 1e3 do. Range and root mean square are of the whole tensor, unpooled.
"""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any

import numpy as np

from npformer.ops.array import Array

PANEL_ROWS = PANEL_COLUMNS = 128
"""Rows and columns of an activation's panel beyond which neighbours are pooled."""
PARAMETER_SIDE = 64
"""The same for a parameter, of which there are many, and whose rows have no token's name."""
SCORES = ("scores", "probs", "dscores", "dprobs", "keep")
"""Names of (B, N, T, S) arrays; every other array of four axes is (B, T, N, H)."""

_TOP = 14  # a scaled magnitude is below 2 ** (_TOP + 1), and float16 ends at 2 ** 16


class Arrays:
    """Every tensor of a page, each once: the output of one node is the input of the next."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._known: dict[tuple[object, ...], int] = {}

    def add(self, array: Array, *, name: str = "", parameter: bool = False) -> int:
        """array (...) -> its number in ``entries``. ``name`` tells how four axes are laid out."""
        panel_axis = 1 if name in SCORES else 2
        digest = hashlib.sha256(array.tobytes()).digest()
        key = (array.shape, array.dtype.str, panel_axis if array.ndim == 4 else 0, digest)
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(_entry(array, panel_axis, parameter))
        return self._known[key]


def _entry(array: Array, panel_axis: int, parameter: bool) -> dict[str, Any]:
    panels = _panels(array, panel_axis)  # (panels, rows, columns)
    sides = (PARAMETER_SIDE, PARAMETER_SIDE) if parameter else (PANEL_ROWS, PANEL_COLUMNS)
    if panels.shape[1] == 1:
        sides = (1, PANEL_COLUMNS)
    if array.ndim == 4 and panel_axis == 1:
        sides = panels.shape[1:]  # attention is read entry by entry
    block = [
        math.ceil(n / max(most, 1)) or 1 for n, most in zip(panels.shape[1:], sides, strict=True)
    ]
    view = pool(panels, block[0], block[1])
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    return {
        "shape": list(array.shape),
        "view": list(view.shape),
        "block": block,
        "heads": panel_axis if array.ndim == 4 else 0,
        "min": rounded(finite.min(initial=np.inf)) if finite.size else None,
        "max": rounded(finite.max(initial=-np.inf)) if finite.size else None,
        "rms": rounded(math.sqrt(np.square(finite).mean())) if finite.size else None,
        **encode(view),
    }


def _panels(array: Array, panel_axis: int) -> Array:
    """(panels, rows, columns) of an array; a batch of one sentence loses its first axis."""
    if array.ndim >= 3 and len(array) == 1:
        array = array[0]
        panel_axis -= 1
    if array.ndim == 3:
        return np.moveaxis(array, panel_axis, 0)
    if array.ndim <= 2:
        return array.reshape(1, *(1,) * (2 - array.ndim), *array.shape)
    return array.reshape(1, -1, array.shape[-1])


def pool(panels: Array, rows: int, columns: int) -> Array:
    """(P, R, C) -> (P, ceil(R / rows), ceil(C / columns)): of each block the largest in magnitude.

    A mean would cancel a gradient's signs; the largest entry is what a reader looks for.
    """
    if rows == columns == 1 or not panels.size:
        return panels
    p, r, c = panels.shape
    high, wide = -(-r // rows), -(-c // columns)
    padded = np.zeros((p, high * rows, wide * columns), panels.dtype)
    padded[:, :r, :c] = panels
    blocks = padded.reshape(p, high, rows, wide, columns).swapaxes(2, 3)
    blocks = blocks.reshape(p, high, wide, rows * columns)
    largest = np.abs(blocks).argmax(axis=-1)[..., None]
    return np.take_along_axis(blocks, largest, axis=-1)[..., 0]


def encode(array: Array) -> dict[str, Any]:
    """array (...) -> ``type``, ``exponent``, and ``data``: base64, little-endian, in C order."""
    if array.dtype.kind in "iub":
        return {"type": "i32", "exponent": 0, "data": _base64(array.astype("<i4"))}
    wide = array.astype(np.float64)
    largest = np.abs(wide[np.isfinite(wide)]).max(initial=0.0)
    exponent = math.frexp(largest)[1] - 1 - _TOP if largest else 0
    with np.errstate(over="ignore", under="ignore"):
        return {
            "type": "f16",
            "exponent": exponent,
            "data": _base64(np.ldexp(wide, -exponent).astype("<f2")),
        }


def decode(entry: dict[str, Any], shape: tuple[int, ...]) -> Array:
    """What ``encode`` wrote, as float64 or int64 of ``shape``: for tests, and other readers."""
    raw = base64.b64decode(entry["data"])
    if entry["type"] == "i32":
        return np.frombuffer(raw, "<i4").astype(np.int64).reshape(shape)
    return np.ldexp(np.frombuffer(raw, "<f2").astype(np.float64), entry["exponent"]).reshape(shape)


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def rounded(value: float) -> float | None:
    """Six digits, as the page needs no more; None for infinity and NaN, which JSON has not."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
