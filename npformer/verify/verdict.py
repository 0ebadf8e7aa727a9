"""What is said of one case: its errors, and the results that an oracle does not accept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from npformer.cards.case import Case

GRADIENT = "the gradient"
"""What a directional derivative says is wrong: which of several, it cannot say."""


@dataclass(frozen=True)
class Failure:
    """One result that an oracle does not accept."""

    result: str
    """``y``, ``dx``, ``grad weight``, or an invariant in words."""
    oracle: str
    """``contract``, ``second call``, ``PyTorch``, ``directional derivative``, ``invariant``."""
    message: str
    error: float = np.inf
    """In rounding units; relative for the directional derivative."""
    case: Case | None = field(default=None, repr=False)
    index: tuple[int, ...] | None = None
    """Of the entry that is furthest off."""
    expected: float | None = None
    got: float | None = None
    pytorch: float | None = None
    """The witness's own worst error on the same result, in rounding units."""
    breach: Literal["", "missing", "shape", "dtype", "written"] = ""
    """What breaks the contract, of a result that is there."""
    reproduce: str = field(default="", repr=False)
    """Python that rebuilds the case and prints the wrong number."""

    def __str__(self) -> str:
        return f"{self.result} ({self.oracle}): {self.message}"


@dataclass
class Verdict:
    """What one case showed: errors in rounding units by result name, and what was not accepted."""

    ours: dict[str, float] = field(default_factory=dict)
    pytorch: dict[str, float] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    """By result, how many of its entries the reference knew a value for."""
    entries: dict[str, int] = field(default_factory=dict)
    """By result, how many entries it has."""
    directional: float | None = None
    refused: str = ""
    """Why there is no result, if somebody's function raised on this case."""
    failures: list[Failure] = field(default_factory=list)


def at_index(name: str, index: tuple[int, ...] | None) -> str:
    """``dx[0, 1]``; the name alone for a number."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name
