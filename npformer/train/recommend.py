"""Which of a run's checkpoints to use: the last, the best or the average, and why.

Each was saved with what it scored on the validation pairs, if they were measured then. The lowest
validation loss decides, as it is over all pairs, where BLEU is over some; of equals the average,
then the newest. Where the newest was not measured, as after Ctrl-C, it is used itself: no figure
says that an older one is better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npformer.errors import counted
from npformer.files.manifest import STATE

_SCORES = {"bleu": "BLEU {:.1f}", "chrf": "chrF {:.1f}", "accuracy": "accuracy {:.1%}"}


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that may be the one to use."""

    path: Path
    what: str
    """In words: ``the last``, ``the best``, ``the mean of the last 5 checkpoints``."""
    notes: Mapping[str, Any]
    """What its ``state.json`` says."""

    @property
    def loss(self) -> float | None:
        """The validation loss, nats a token; infinite if it was NaN; None if not measured."""
        loss = self.notes.get("validation_loss")
        return None if loss is None else math.inf if math.isnan(loss) else float(loss)

    @property
    def bleu(self) -> float | None:
        """BLEU of the validation pairs that were translated; None if none were."""
        return self.notes.get("bleu")

    def figures(self) -> str:
        """``validation loss 1.234  BLEU 34.2  chrF 56.7``."""
        if self.loss is None:
            return "not measured on the validation pairs"
        scores = [
            label.format(self.notes[name])
            for name, label in _SCORES.items()
            if self.notes.get(name) is not None
        ]
        return "  ".join([f"validation loss {self.loss:.3f}", *scores])


@dataclass(frozen=True)
class Recommendation:
    """The candidates, the recommended one first."""

    candidates: tuple[Candidate, ...]

    def why(self, path: Path) -> str:
        """What the candidate at ``path`` is; of the recommended one also why it is that."""
        found = [candidate for candidate in self.candidates if candidate.path == path]
        if not found:
            return ""
        measured = sum(candidate.loss is not None for candidate in self.candidates)
        lowest = found[0] == self.candidates[0] and found[0].loss is not None and measured > 1
        reason = f", the lowest of {measured}" if lowest else ""
        loss = "" if found[0].loss is None else f", validation loss {found[0].loss:.3f}{reason}"
        return f"{found[0].what}{loss}"

    def reason(self) -> str:
        """Why the first is recommended, in a sentence; "" if there is no other."""
        first, *others = self.candidates or [None]
        if first is None or not others:
            return ""
        if first.loss is None:
            return f"it is {first.what}, and was not measured"
        words = "no other has a lower validation loss"
        best = max(self.candidates, key=lambda c: -1.0 if c.bleu is None else c.bleu)
        if first.bleu is not None and best.bleu is not None and best.bleu > first.bleu:
            words += f"; by BLEU, of some of the pairs, {best.path} is better"
        return words


def recommend(saved: Sequence[Path], averaged: Path | None) -> Recommendation:
    """Of a run's checkpoints, oldest first, and its average; whether they are whole is not checked.

    In an unfinished run (``averaged`` is None) and in a finished one alike. Empty if there is none.
    """
    found: list[Candidate] = []
    mean = read_notes(averaged) if averaged else {}
    of = mean.get("averaged", ())
    if averaged and not (saved and of == [saved[-1].name]):  # the mean of one is that one
        what = f"the mean of the last {counted(len(of), 'checkpoint')}"
        found.append(Candidate(averaged, what, mean))
    if saved:
        last = saved[-1]
        notes = read_notes(last)
        if "last_validation_loss" in mean:  # all that an older npformer noted of it
            notes = {"validation_loss": mean["last_validation_loss"], **notes}
        best = best_of(saved)
        alone = best is None or best == last
        found.append(Candidate(last, "the last and best" if best == last else "the last", notes))
        if best is not None and not alone:
            found.append(Candidate(best, "the best", read_notes(best)))
    if found and found[0].loss is not None:
        found.sort(key=lambda c: (c.loss is None, c.loss))
    return Recommendation(tuple(found))


def best_of(saved: Sequence[Path]) -> Path | None:
    """The checkpoint of lowest validation loss, the newest of equals; None if none was measured."""
    losses = {path: Candidate(path, "", read_notes(path)).loss for path in reversed(saved)}
    measured = {path: loss for path, loss in losses.items() if loss is not None}
    return min(measured, key=measured.__getitem__, default=None)


def read_notes(path: Path) -> dict[str, Any]:
    """What a checkpoint's ``state.json`` says; nothing if it cannot be read."""
    try:
        notes = json.loads((path / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
