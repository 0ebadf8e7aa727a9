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
    if not isinstance(expected, np.ndarray) or not isinstance(found, np.ndarray):
        if _same(expected, found):
            return None
        return f"is {_named(found)}, it must be {_named(expected)}"
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


_NUMBER = (int, float, np.generic)


def _same(expected: Any, found: Any) -> bool:
    """Whether two values say the same: 1 and 1.0 do, 1 and "1" do not.

    Random generators do: what is drawn is compared where it is used. A number and an array may be
    two forms of one argument, as an offset and positions are: what comes of them is compared.
    """
    forms = [isinstance(value, _NUMBER) for value in (expected, found)]
    if all(forms):
        return bool(expected == found)
    if any(forms) and any(isinstance(value, np.ndarray) for value in (expected, found)):
        return True
    if type(expected) is not type(found):
        return False
    if isinstance(expected, np.ndarray):
        return np.array_equal(expected, found)
    if isinstance(expected, tuple | list):
        return len(expected) == len(found) and all(map(_same, expected, found))
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(_same(expected[k], found[k]) for k in found)
    return isinstance(expected, np.random.Generator) or bool(expected == found)


def _named(value: Any) -> str:
    """A value in a sentence of one line."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else f"an array of {value}"
    if isinstance(value, np.random.Generator):
        return "a random generator"
    return " ".join(repr(value).split())
