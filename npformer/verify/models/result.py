"""What ``check_model`` found: what was asked, what was not and why, what is broken."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Broken:
    """The smallest sizes at which an invariant does not hold, and how it shows."""

    what: str
    """In words: ``position 3 changes the output at position 1 by 0.12``."""
    batch: int
    length: int
    mode: str
    """``evaluation`` or ``training``."""
    difference: float = 0.0
    """The largest, in the output's own unit."""
    units: float = 0.0
    """The same in units of eps x the largest entry, of which ``bound`` are allowed."""
    bound: float = 0.0
    positions: tuple[int, int] | None = None
    """(changed, where it shows)."""
    module: str | None = None
    """Path of the first module whose inputs do not explain it; None where that cannot be said."""
    module_kind: str = ""
    parameters: tuple[str, ...] = ()
    """Whose gradients are wrong or missing."""


@dataclass(frozen=True)
class Asked:
    """One invariant, asked of one model."""

    name: str
    sentence: str
    options: str = ""
    """What is set otherwise than by default, ``norm=pre``."""
    comparisons: int = 0
    broken: Broken | None = None
    not_asked: str = ""
    """Why it was not; empty if it was."""

    @property
    def verdict(self) -> str:
        """``holds``, ``BROKEN`` or ``not asked``."""
        return "BROKEN" if self.broken else "not asked" if self.not_asked else "holds"


@dataclass
class ModelResult:
    """All answers. False if an invariant is broken, or if a decoder's main one may be untested.

    Printed, it says which, and where.
    """

    name: str
    dtype: str
    tolerance: str
    inputs: str
    causal: str
    lengths: tuple[int, ...]
    seed: int
    asked: list[Asked] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be built, which lengths the model refused."""
    untested: str = ""
    """That causality was not tested, unless it was, or the caller says that there is none."""
    undecided: bool = False
    """Whether it may have to be causal, and nobody says so: then there is no verdict."""

    @property
    def broken(self) -> list[Asked]:
        """What does not hold."""
        return [a for a in self.asked if a.broken]

    @property
    def held(self) -> list[Asked]:
        """What was asked and holds."""
        return [a for a in self.asked if a.verdict == "holds"]

    @property
    def passed(self) -> bool:
        return not self.broken and not self.undecided

    def __bool__(self) -> bool:
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "passed": self.passed,
            **{n: v for n, v in vars(self).items() if n != "asked"},
            "asked": [{**asdict(a), "verdict": a.verdict} for a in self.asked],
        }

    def __repr__(self) -> str:
        found = "causality not tested" if self.undecided else "all hold"
        found = f"{len(self.broken)} broken" if self.broken else found
        return f"<ModelResult: {self.name}, {len(self.broken) + len(self.held)} asked, {found}>"

    def __str__(self) -> str:
        lines = [self._headline(), f"  inputs    {self.inputs}", f"  causal    {self.causal}"]
        lines += [f"  compared  {self.dtype}, {self.tolerance}", ""]
        for asked in self._shown():
            lines.append(f"  {asked.verdict:9}  {asked.sentence}{_count(asked)}")
            if asked.not_asked:
                lines.append(f"             because {asked.not_asked}")
            if asked.broken:
                lines += [f"             {line}" for line in _details(asked)]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, f"The same again: seed={self.seed}"])

    def _headline(self) -> str:
        names = ", ".join(dict.fromkeys(a.name for a in self.broken))
        said = f"is broken: {names}" if names else "every invariant that was asked holds"
        return f"{self.name}: {said}" + (f"\n{self.untested}" if self.untested else "")

    def _shown(self) -> list[Asked]:
        """A line for each invariant; one for each option under which it fails."""
        lines: list[Asked] = []
        for name in dict.fromkeys(a.name for a in self.asked):
            same = [a for a in self.asked if a.name == name]
            bad = [a for a in same if a.broken]
            good = [a for a in same if a.verdict == "holds"]
            if bad:
                lines += bad
            elif good:
                total = sum(a.comparisons for a in good)
                lines.append(Asked(name, good[0].sentence, _under(good), total))
                lines += [a for a in same if a.not_asked][:1]
            else:
                lines.append(same[0])
        return lines


def _under(several: list[Asked]) -> str:
    return f"{len(several)} settings" if len(several) > 1 else several[0].options


def _count(asked: Asked) -> str:
    parts = [asked.options] if asked.options else []
    if asked.comparisons and not asked.broken:
        parts.append(f"{asked.comparisons:,} comparisons")
    return f" ({', '.join(parts)})" if parts else ""


def _details(asked: Asked) -> list[str]:
    b = asked.broken
    assert b is not None
    lines = [b.what, f"batch {b.batch}, length {b.length}, in {b.mode}"]
    if b.units:
        lines.append(f"off by {b.units:.2g} units of rounding; {b.bound:.0e} are allowed")
    if b.module is not None and b.units:
        where = f"{b.module or 'the model itself'} ({b.module_kind})"
        lines.append(f"first module whose inputs do not explain it: {where}")
    if b.parameters:
        more = f" and {len(b.parameters) - 6} more" if len(b.parameters) > 6 else ""
        lines.append(f"parameters: {', '.join(b.parameters[:6])}{more}")
    return lines
