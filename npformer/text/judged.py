"""Answers that somebody judged: prompts, what was written to each, and which of it is better.

A line of a JSON file is an object: ``prompt``, ``chosen`` and ``rejected``, which are a pair; or
``prompt``, ``completion`` and ``label``, true for an answer that is desirable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.text.corpus import ParallelCorpus, held_out_rows
from npformer.text.formats.json_lines import json_values
from npformer.text.formats.wanted import some_of

PAIR, SINGLE = ("chosen", "rejected"), ("completion",)
LABEL = "label"


@dataclass(frozen=True)
class Judged:
    """Prompts with the answers to each, one or a pair of which the chosen one is the first."""

    prompts: list[str] = field(default_factory=list)
    answers: list[tuple[str, ...]] = field(default_factory=list)
    desirable: list[tuple[bool, ...]] = field(default_factory=list)
    """Of each answer; of a pair True and False."""
    alike: int = 0
    """Pairs passed over, whose two answers are the same."""
    shared: int = 0
    """Training answers passed over, for validation has the same."""

    def __len__(self) -> int:
        return len(self.prompts)

    def part(self, rows: Sequence[int]) -> Judged:
        """Those at ``rows``."""
        return Judged(
            [self.prompts[row] for row in rows],
            [self.answers[row] for row in rows],
            [self.desirable[row] for row in rows],
        )

    def as_pairs(self) -> ParallelCorpus:
        """A record of all that stands there: each prompt, and its answers with how they did."""
        marked = [
            "\n".join(f"{'+' if good else '-'} {text}" for text, good in zip(a, d, strict=True))
            for a, d in zip(self.answers, self.desirable, strict=True)
        ]
        return ParallelCorpus(list(self.prompts), marked, [""] * len(self))


def load_judged(spec: str, validation: str, limit: int, *, answers: int) -> tuple[Judged, Judged]:
    """The training and the validation answers: those of ``validation``, or held out.

    ``answers`` to a prompt are judged together, 2 or 1. ``limit`` counts prompts that are trained
    on, 0 takes all. Raises ``CorpusError``.
    """
    every = read_judged(spec, answers)
    if validation:
        held_out, rest = read_judged(validation, answers), list(range(len(every)))
    else:
        rows = held_out_rows(spec, len(every))
        held_out, rest = every.part(rows), sorted(set(range(len(every))) - set(rows))
    seen = set(zip(held_out.prompts, held_out.answers, strict=True))
    apart = [row for row in rest if (every.prompts[row], every.answers[row]) not in seen]
    if not apart:
        raise CorpusError(f"{spec!r} has no answers but those that are validated on")
    train = every.part(apart[:limit] if limit else apart)
    shared = len(rest) - len(apart)
    return dataclasses.replace(train, alike=every.alike, shared=shared), held_out


def read_judged(spec: str, answers: int) -> Judged:
    """The records of a file, as ``load_judged`` has them. Raises ``CorpusError`` with the line."""
    content = Content(Path(spec))
    found, alike = Judged(), 0
    for where, record in json_values(content):
        if record is None:
            continue
        prompt, texts, good = _record(record, answers, f"{content.name}: {where}")
        if len(set(texts)) < answers:
            alike += 1
            continue
        found.prompts.append(prompt)
        found.answers.append(texts)
        found.desirable.append(good)
    if not found.prompts:
        raise CorpusError(
            f"{content.name} has no answers to learn from"
            + (f": the two of each of its {alike:,} pairs are the same" if alike else "")
        )
    return dataclasses.replace(found, alike=alike)


def _record(record: Any, answers: int, where: str) -> tuple[str, tuple[str, ...], tuple[bool, ...]]:
    names = PAIR if answers == 2 else SINGLE
    wanted = ("prompt", *names) if answers == 2 else ("prompt", *names, LABEL)
    if not isinstance(record, dict):
        raise CorpusError(f"{where} is no object with {some_of(list(wanted))}")
    for name in wanted:
        if name not in record:
            other = PAIR if answers == 1 else (*SINGLE, LABEL)
            hint = ""
            if set(other) <= set(record):
                hint = f"; --prefer {'kto' if answers == 2 else 'dpo'} reads those"
            has = some_of(list(record)) or "nothing"
            raise CorpusError(f"{where} has no {name!r}; it has {has}{hint}")
    for name in ("prompt", *names):
        if not isinstance(record[name], str):
            raise CorpusError(
                f"{where}: {name!r} is no text; where it is a list of messages, write what the "
                "model reads as one text, and its answer as another"
            )
        if not record[name] and name != "prompt":
            raise CorpusError(f"{where}: {name!r} is empty, and no token of it can be learned")
    if answers == 2:
        return record["prompt"], tuple(record[name] for name in names), (True, False)
    if not isinstance(record[LABEL], bool):
        raise CorpusError(f"{where}: {LABEL!r} is {record[LABEL]!r}; it must be true or false")
    return record["prompt"], (record[names[0]],), (record[LABEL],)
