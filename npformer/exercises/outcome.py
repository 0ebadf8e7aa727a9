"""What a check answers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["passed", "wrong", "blank", "broken", "stopped"]


@dataclass(frozen=True)
class Outcome:
    """The answer to a submission, in plain words; it never holds the solution."""

    kind: Kind
    """``passed``; ``wrong``: a result is not right; ``blank``: something is not written yet;
    ``broken``: the file or a call gave an error; ``stopped``: a limit or a crash ended it."""
    verdict: str
    """One sentence: what is wrong, and where."""
    example: str = ""
    """Code that rebuilds the smallest input that shows it."""
    diagnosis: str = ""
    """What mistake gives exactly this, if one is known."""
    chapter: str = ""
    """Where the right formula is derived."""
    cases: int = 0
    """How many generated cases were looked at."""
    printed: str = ""
    """What the submission printed, for the example or before it was stopped."""

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    def with_(self, **changes: Any) -> Outcome:
        """The same with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Outcome:
        """What ``to_dict`` gave."""
        return cls(**fields)

    def __str__(self) -> str:
        lines = [f"{'passed' if self.passed else 'not yet'}: {self.verdict}"]
        if self.example:
            lines += ["", "The smallest input that shows it, as code for the end of your file:", ""]
            lines += [f"    {line}" if line else "" for line in self.example.splitlines()]
        if self.printed.strip():
            lines += ["", "It printed:", "", *_first(self.printed)]
        if self.diagnosis:
            lines += ["", f"Diagnosis: {self.diagnosis}"]
        if self.chapter and not self.passed:
            lines += ["", f"The derivation is in {self.chapter}."]
        return "\n".join(lines)

    __repr__ = __str__


def _first(text: str, count: int = 10) -> list[str]:
    lines = text.rstrip().splitlines()
    more = [f"    ... and {len(lines) - count} more lines"] if len(lines) > count else []
    return [*(f"    {line[:200]}" for line in lines[:count]), *more]
