"""What can be wrong with a submission's answer to one case, each in a plain sentence."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npformer.errors import NpformerError

Array = np.ndarray

PLAIN = 0.01
"""An example's result should be off by as much, if the mistake can be."""


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong."""

    kind: str
    """``value``, ``shape``, ``type``, ``written``, ``error`` or ``blank``."""
    sentence: str
    result: str = ""
    """``dx``; empty where no single result is meant."""
    index: tuple[int, ...] = ()
    got: float | None = None
    expected: float | None = None

    @property
    def gap(self) -> float:
        """How far off the value is, up to what can be seen well."""
        if self.got is None or self.expected is None or not np.isfinite(self.got):
            return PLAIN
        return min(PLAIN, abs(self.got - self.expected))

    def same_as(self, other: Fault | None) -> bool:
        """Whether the other is of the same kind, in the same result, and as plain to see."""
        if other is None or (self.kind, self.result) != (other.kind, other.result):
            return False
        return other.gap >= self.gap


class Complaint(Exception):
    """A call that cannot be judged: raised where it is noticed, answered as its fault."""

    def __init__(self, kind: str, sentence: str, result: str = "") -> None:
        super().__init__(sentence)
        self.fault = Fault(kind, sentence, result)


def an_array(value: Any, name: str, function: str) -> Array:
    """``value`` as a floating-point array; raises ``Complaint`` for anything else."""
    if not isinstance(value, (np.ndarray, np.generic, float)):
        raise Complaint("type", f"{name}, from {function}, is {a_kind(value)}; it must be an array",
                        name)  # fmt: skip
    array = np.asarray(value)
    if array.dtype in (np.float32, np.float16):
        raise Complaint(
            "type",
            f"{name}, from {function}, is {array.dtype}, and its inputs are float64: digits were "
            "lost on the way",
            name,
        )
    if array.dtype.kind not in "fiub":
        raise Complaint("type", f"{name}, from {function}, holds {array.dtype}; it must hold "
                        "numbers", name)  # fmt: skip
    return array.astype(np.float64, copy=False)


def a_kind(value: Any) -> str:
    """``None``, ``a tuple of 3``: what a value is, in words."""
    if value is None:
        return "None"
    if isinstance(value, (tuple, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, np.ndarray):
        return "one array"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def no_pair(function: str, found: Any) -> str:
    """What a forward returned in place of y and the cache, in a learner's words."""
    if isinstance(found, list) and len(found) == 2:
        return f"{function} returns a list where a tuple was asked for; it must return y, cache"
    return f"{function} returns {a_kind(found)}; it must return y, cache"


def gradients(found: Any, names: list[str], function: str) -> dict[str, Array]:
    """What a backward returned, by name; raises ``Complaint`` unless it is one array a name."""
    each = tuple(found) if isinstance(found, (tuple, list)) else (found,)
    if len(each) != len(names):
        wanted = f"{len(names)} gradients: {', '.join(names)}" if len(names) > 1 else names[0]
        raise Complaint("type", f"{function} returns {a_kind(found)}; it must return {wanted}")
    return {n: an_array(g, n, function) for n, g in zip(names, each, strict=True)}


def numbers(got: Any, right: Any) -> tuple[str, str]:
    """Both as text: seven digits, enough to recognise a fraction, or more where these are equal."""
    for digits in (7, 12, 17):
        pair = [
            f"{value + 0.0:.{digits}g}" if isinstance(value, float) else repr(value)  # no -0
            for value in (got, right)
        ]
        if pair[0] != pair[1]:
            break
    return pair[0], pair[1]


def of_exception(error: BaseException, path: Path | None) -> Fault:
    """What a submission's exception says, with the line of its own file that raised it."""
    if isinstance(error, Complaint):
        return error.fault
    line = _line(error, path)
    where = f"line {line} of {path.name}" if line and path else "the call"
    if isinstance(error, NotImplementedError):
        said = f" ({error})" if str(error) else ""
        return Fault("blank", f"{where} is still blank{said}")
    if isinstance(error, MemoryError):
        return Fault("error", f"{where} needs more memory than a check allows")
    if isinstance(error, SystemExit):
        return Fault("error", f"{where} ends the program (sys.exit); a function must return")
    if isinstance(error, RecursionError):
        return Fault("error", f"{where} calls itself without end")
    if isinstance(error, EOFError):
        return Fault("error", f"{where} waits for input, and a check has none to give")
    message = " ".join(str(error).split())
    kind = "" if isinstance(error, NpformerError) else f"{type(error).__name__}: "
    return Fault("error", f"{where} stops with {kind}{message}".rstrip(": "))


def _line(error: BaseException, path: Path | None) -> int | None:
    frames = traceback.extract_tb(error.__traceback__) if path else []
    own = [frame.lineno for frame in frames if frame.filename == str(path)]
    return own[-1] if own else None
