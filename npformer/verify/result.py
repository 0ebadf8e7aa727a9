"""What a check found, as data: how it is told is for ``answer`` and ``report``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from npformer.verify.component import Component
from npformer.verify.reference.wide import LARGE, is_wide
from npformer.verify.tally import Tally
from npformer.verify.verdict import Failure

if TYPE_CHECKING:
    from npformer.verify.diagnosis import Diagnosis


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


@dataclass(repr=False)
class Checked:
    """What all cases of one check showed."""

    name: str
    against: str
    seed: int
    tallies: tuple[Tally, ...]
    """One for each dtype."""
    failure: Failure | None = None
    """The smallest case that fails."""
    explain: Callable[[], tuple[Diagnosis, ...]] = field(default=tuple, repr=False, compare=False)
    """What gives the diagnoses: it takes longer than the cases do, so it waits until asked."""
    subject: Component | None = field(default=None, repr=False, compare=False)
    cut_short: list[str] = field(default_factory=list, compare=False)
    """What was not looked for to the end, as a case was too large: known once ``diagnoses`` is."""

    @property
    def passed(self) -> bool:
        return self.failure is None

    def __bool__(self) -> bool:
        return self.passed

    @cached_property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Mistakes that would give this wrong result, likeliest first; looked for when asked."""
        return self.explain()

    @property
    def cases(self) -> int:
        """Cases in all."""
        return sum(t.cases for t in self.tallies)

    @property
    def bound(self) -> str:
        """Which errors pass, and what the unit is made of."""
        return self.subject.said_of_bound if self.subject else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was not compared, not taken, or not as usual: a line each."""
        lines = []
        for tally in self.tallies:
            if tally.refused and not tally.cases:
                lines.append(f"no case of {tally.dtype} gave a result: {tally.refusal}")
            elif tally.refused:
                cases = f"{tally.refused:,} further case{'s' if tally.refused > 1 else ''}"
                lines.append(f"{cases} of {tally.dtype} refused: {tally.refusal}")
            left_out = [
                f"{entries - tally.compared[name]:,} of {entries:,} entries of {name}"
                for name, entries in tally.entries.items()
                if tally.compared[name] < entries
            ]
            if left_out:
                lines.append(f"{tally.dtype}, no number to compare with: {', '.join(left_out)}")
            subject = self.subject
            wide = subject is not None and subject.lenient and is_wide(subject.widest)
            if tally.large and wide:
                cases = f"{tally.large:,} case{'s' if tally.large > 1 else ''}"
                lines.append(
                    f"{cases} of more than {LARGE:,} numbers: judged in float64 alone, where "
                    "smaller ones are looked at in extended precision too"
                )
        if self.subject is not None:
            lines += self.subject.remarks
            if self.subject.bound is not None or self.subject.inside:
                lines.append(self.bound)
        return (*lines, *self.cut_short)

    @property
    def refused(self) -> int:
        """Further cases, on which somebody's function raised."""
        return sum(t.refused for t in self.tallies)

    @property
    def compared(self) -> dict[str, int]:
        """By result, how many entries were compared with a number of the reference's."""
        return _summed(t.compared for t in self.tallies)

    @property
    def failed_cases(self) -> int:
        return sum(t.failed_cases for t in self.tallies)

    @property
    def wrong(self) -> dict[str, int]:
        """By result, in how many cases it was not accepted; the most frequent first."""
        total = _summed(t.wrong for t in self.tallies)
        return dict(sorted(total.items(), key=lambda item: -item[1]))

    @property
    def sizes(self) -> dict[str, list[int]]:
        """That the axes had, by letter, in all cases."""
        found: dict[str, set[int]] = {}
        for tally in self.tallies:
            for letter, sizes in tally.sizes.items():
                found.setdefault(letter, set()).update(sizes)
        return {letter: sorted(sizes) for letter, sizes in found.items()}

    @property
    def forward_error(self) -> float:
        """The worst error of an output, in rounding units."""
        return max(t.forward_error for t in self.tallies)

    @property
    def gradient_error(self) -> float:
        """The worst error of a gradient, in rounding units."""
        return max(t.gradient_error for t in self.tallies)

    @property
    def pytorch_forward_error(self) -> float:
        """The witness's own worst error of an output."""
        return max(t.pytorch_forward_error for t in self.tallies)

    @property
    def pytorch_gradient_error(self) -> float:
        """The witness's own worst error of a gradient."""
        return max(t.pytorch_gradient_error for t in self.tallies)

    @property
    def directional_cases(self) -> int:
        """Cases in which the derivative of the forward itself was asked too."""
        return sum(t.directional_cases for t in self.tallies)

    @property
    def directional_gap(self) -> float:
        """The largest relative gap between that and the gradient."""
        return max(t.directional_gap for t in self.tallies)
