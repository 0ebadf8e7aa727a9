"""Tensors as the page holds them: panels of rows and columns, pooled where large, 16 bits a value.

A float is kept as a float16 times one power of two for the whole tensor, chosen so that the
largest magnitude lies just below float16's limit. Gradients of 1e-9 then keep their three digits
as well as activations of 1e3 do. Range and root mean square are of the whole tensor, unpooled.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from npformer.ops.array import Array

PANEL_ROWS = PANEL_COLUMNS = 128
"""Rows and columns of an activation's panel beyond which neighbours are pooled."""
PARAMETER_SIDE = 64
"""The same for a parameter, of which there are many, and whose rows have no token's name."""
SCORES = ("scores", "probs", "dscores", "dprobs", "keep")
"""Names of (B, N, T, S) arrays; every other array of four axes is (B, T, N, H)."""
ATTENTION_SIDE = 256
"""Positions up to which attention is kept entry by entry, to be read so."""

_TOP = 14  # a scaled magnitude is below 2 ** (_TOP + 1), and float16 ends at 2 ** 16


class Layout(NamedTuple):
    """How a tensor stands on the page."""

    heads: int
    """The axis of its heads, each of which is a panel; 0 where there are none."""
    panels: tuple[int, int, int]
    """Panels, rows, columns, unpooled."""
    block: tuple[int, int]
    """Rows and columns of a cell."""

    @classmethod
    def of(cls, shape: Sequence[int], name: str = "", parameter: bool = False) -> Layout:
        """Of an array of that shape; ``name`` tells how four axes are laid out."""
        heads = 0 if len(shape) != 4 or shape[0] != 1 else 1 if name in SCORES else 2
        last = shape[-1] if shape else 1
        panels = (shape[heads], shape[3 - heads], last) if heads else (1, _rows(shape), last)
        sides = (PARAMETER_SIDE,) * 2 if parameter else (PANEL_ROWS, PANEL_COLUMNS)
        if panels[1] == 1:
            sides = (1, PANEL_COLUMNS)
        if heads == 1 and max(panels[1:]) <= ATTENTION_SIDE:
            sides = panels[1:]
        rows, columns = (
            math.ceil(n / max(most, 1)) or 1 for n, most in zip(panels[1:], sides, strict=True)
        )
        return cls(heads, panels, (rows, columns))

    def kept(self, heads: Sequence[int] | None, of: int) -> list[int]:
        """The panels of some of the ``of`` heads: a key's head may serve several queries'."""
        if heads is None or not self.heads:
            return list(range(self.panels[0]))
        return sorted({head * self.panels[0] // of for head in heads})

    def cells(self) -> int:
        """Of one panel, pooled."""
        return math.prod(-(-n // by) for n, by in zip(self.panels[1:], self.block, strict=True))


class Arrays:
    """Every tensor of a page, each once: the output of one node is the input of the next.

    Of tensors with heads, ``heads`` are kept of the ``of`` that queries have; None keeps all.
    """

    def __init__(self, heads: Sequence[int] | None = None, of: int = 1) -> None:
        self.entries: list[dict[str, Any]] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._heads, self._of = heads, of

    def add(self, array: Array, *, name: str = "", parameter: bool = False) -> int:
        """array (...) -> its number in ``entries``. ``name`` tells how four axes are laid out."""
        layout = Layout.of(array.shape, name, parameter)
        digest = hashlib.sha256(np.ascontiguousarray(array).data).digest()
        key = (array.shape, array.dtype.str, layout, digest)
        if key not in self._known:
            self._known[key] = len(self.entries)
            self.entries.append(self._entry(array, layout))
        return self._known[key]

    def _entry(self, array: Array, layout: Layout) -> dict[str, Any]:
        whole = np.moveaxis(array[0], layout.heads - 1, 0) if layout.heads else array
        kept = layout.kept(self._heads, self._of)
        view = pool(whole.reshape(layout.panels)[kept], *layout.block)
        finite = array if array.dtype.kind != "f" else array[np.isfinite(array)]
        rms = math.sqrt(np.square(finite, dtype=np.float64).mean()) if finite.size else None
        return {
            "shape": list(array.shape),
            "view": list(view.shape),
            "block": list(layout.block),
            "heads": layout.heads,
            **({"panels": kept} if len(kept) < layout.panels[0] else {}),
            "min": rounded(float(finite.min())) if finite.size else None,
            "max": rounded(float(finite.max())) if finite.size else None,
            "rms": None if rms is None else rounded(rms),
            **encode(view),
        }


def _rows(shape: Sequence[int]) -> int:
    return math.prod(shape[:-1]) if shape else 1


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
