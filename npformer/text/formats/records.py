"""A pair from a record: an object with a text under each of its names, or a list of two texts.

Names are those of the record and of an object within it: ``translation.de`` is the text ``de`` of
``translation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from npformer.errors import CorpusError
from npformer.text.formats.sides import find_sides, no_sides
from npformer.text.formats.wanted import Row, Wanted, one_line, some_of

Place = tuple[str, ...]
"""The name of a text in a record, or of an object and of the text in it."""


class Records:
    """Reads the pairs of one file's records; the first that is not empty decides the names."""

    def __init__(self, name: str, wanted: Wanted) -> None:
        self._name, self._wanted = name, wanted
        self._paths: list[Place] = []

    def row(self, record: Any, where: str) -> Row:
        """The pair of a record. Raises ``CorpusError``, which says ``where`` it is."""
        if record is None:
            return "", "", ""
        if isinstance(record, list):
            return self._listed(record, where)
        if not isinstance(record, dict):
            raise CorpusError(
                f"{self._name}: {where} is {_kind(record)}; a record is an object with a text for "
                "each language"
            )
        if not self._paths:
            self._paths = find_paths(self._name, paths_of(record), self._wanted)
        texts = [self._text(record, path, where) for path in self._paths]
        return texts[0], texts[1], texts[2] if len(texts) > 2 else ""

    def _listed(self, record: Sequence[Any], where: str) -> Row:
        if len(record) < 2 or not all(isinstance(text, str | None) for text in record[:2]):
            raise CorpusError(f"{self._name}: {where} is no list of two texts, source and target")
        return one_line(record[0] or ""), one_line(record[1] or ""), ""

    def _text(self, record: dict[str, Any], path: Place, where: str) -> str:
        if path[0] not in record:
            raise CorpusError(
                f"{self._name}: {where} has no {path[0]!r}; it has "
                + (some_of(list(record)) or "nothing")
            )
        value = record[path[0]]
        for name in path[1:]:  # a language that a translation lacks is an empty side
            value = value.get(name) if isinstance(value, dict) else value
        return text_of(value, f"{self._name}: {where}")


def find_paths(name: str, paths: Mapping[str, Place], wanted: Wanted) -> list[Place]:
    """Where in a record source, target and perhaps a label are. Raises ``CorpusError``."""
    names = list(paths)
    try:
        places = find_sides(names, wanted)
    except CorpusError as error:
        raise CorpusError(f"{name} {error}") from error
    if places is None:
        raise no_sides(name, names, wanted)
    return [paths[names[place]] for place in places]


def paths_of(record: dict[str, Any]) -> dict[str, Place]:
    """What may be texts, by name; those within an object as ``outer.inner``."""
    found: dict[str, Place] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": (name, inner) for inner in value}
        else:
            found[name] = (name,)
    return found


def text_of(value: Any, where: str) -> str:
    """A text on one line; null is empty. Raises ``CorpusError`` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorpusError(f"{where} holds {_kind(value)} where a sentence should be")
    return one_line(value)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", bool: "a boolean"}.get(
        type(value), type(value).__name__
    )
