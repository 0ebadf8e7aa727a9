"""Two values beside each other: numbers in rounding units, everything else the same or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from npformer.verify.lockstep.visits import Array, real

LIMIT = 16.0
"""More rounding units than this are no rounding. A right operation is off by 4 at most, and so may
the reference be; a sum's scale is a rougher guess than an op's."""


def compare(expected: Any, found: Any, scale: Any, dtype: np.dtype, own: bool = False) -> Any:
    """Rounding units where both are numbers, else None if they agree and a reason if not.

    ``scale`` gives S for what is expected. A result of the suspect's ``own`` must be in ``dtype``.
    """
    if isinstance(expected, np.random.Generator) or isinstance(found, np.random.Generator):
        same = isinstance(expected, np.random.Generator) == isinstance(found, np.random.Generator)
        return None if same else _pair("a random generator", "None", found is None)
    if not isinstance(expected, np.ndarray) or not isinstance(found, np.ndarray):
        if (expected is None) != (found is None):
            return _pair("an array", "None", found is None)
        return None if _same(expected, found) else f"is {found!r}, it must be {expected!r}"
    if expected.shape != found.shape:
        return f"has shape {found.shape}, it must be {expected.shape}"
    if not real(expected) or not real(found):
        if np.array_equal(expected, found):
            return None
        wrong = np.count_nonzero(expected != found)
        return f"differs in {wrong} of {expected.size} entries"
    if own and found.dtype != dtype:
        return f"comes in {found.dtype}, and the model is in {dtype}"
    if (expected == found).all():
        return 0.0
    s = np.asarray(scale(expected))
    units = _rounding(found, expected, s, dtype)
    if not units.size:
        return 0.0
    at = np.unravel_index(int(np.argmax(units)), units.shape)
    index = f"[{', '.join(map(str, at))}]" if at else ""
    return _Units(
        float(units[at]),
        f"is {float(found[at]):.6g} at {index}, expected {float(expected[at]):.6g}"
        if index
        else f"is {float(found[at]):.6g}, expected {float(expected[at]):.6g}",
    )


def _rounding(found: Array, expected: Array, scale: Array, dtype: np.dtype) -> Array:
    """``error_units``, in float64, which is enough here and takes a tenth of the time."""
    with np.errstate(all="ignore"):
        units = np.asarray(np.abs(found - expected) / (float(np.finfo(dtype).eps) * scale))
        units[~(np.isfinite(units) & np.isfinite(scale))] = np.inf
        units[(found == expected) | (np.isnan(found) & np.isnan(expected))] = 0.0
    return units


class _Units(float):
    """An error with the words for it."""

    words: str

    def __new__(cls, value: float, words: str) -> _Units:
        self = super().__new__(cls, value)
        self.words = words
        return self


def verdict(problem: Any) -> str:
    """Words for what is wrong; empty where nothing is."""
    if problem is None:
        return ""
    if isinstance(problem, float):
        if problem <= LIMIT:
            return ""
        words = getattr(problem, "words", "")
        return f"{words}: off by {float(problem):.3g} rounding units"
    return str(problem)


def between(e: Array, terms: list[Array]) -> Array:
    """The scale of what stands between calls."""
    size = np.abs(e)
    scale = size + (size.max(-1, keepdims=True, initial=0.0) if e.ndim else size)
    for term in terms:
        if np.shape(term) == e.shape:
            scale = scale + np.abs(term)
    return scale + np.finfo(np.float32).tiny


def _pair(one: str, other: str, nothing: bool) -> str:
    return f"is {other}, it must be {one}" if nothing else f"is {one}, it must be {other}"


def _same(expected: Any, found: Any) -> bool:
    try:
        return bool(expected == found) or type(expected) is not type(found)
    except (TypeError, ValueError):
        return True
