"""Small corpora for the tests of their formats, and the pairs and notes that reading them gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from npformer.text.corpus import read_pairs

EN = ["The cat sleeps.", "A red house", "Where are you?", "He reads, and she writes."]
DE = ["Die Katze schläft.", "Ein rotes Haus", "Wo bist du?", "Er liest, und sie schreibt."]


def sentences(count: int) -> list[tuple[str, str]]:
    """``count`` different pairs."""
    return [(f"{EN[n % 4]} {n}", f"{DE[n % 4]} {n}") for n in range(count)]


def write(path: Path, rows: Iterable[Sequence[object]], between: str = "\t") -> str:
    """A table without quotes."""
    text = "".join(between.join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return str(path)


def pairs(spec: object, **options: Any) -> list[tuple[str, str]]:
    """The pairs that a corpus gives."""
    corpus = read_pairs(str(spec), **options)
    return list(zip(corpus.source, corpus.target, strict=True))
