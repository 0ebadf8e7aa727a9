"""Which of a row's named texts are source and target: by option, by language, or by usual names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from npformer.errors import CorpusError, nearest
from npformer.text.formats.languages import language_tag, matches
from npformer.text.formats.wanted import Wanted, some_of

_SOURCE = {"source", "src", "original", "input", "sentence1", "text1", "quelle", "ausgangstext"}
_TARGET = {"target", "tgt", "trg", "translation", "translated", "reference", "ref", "output"}
_TARGET |= {"sentence2", "text2", "ziel", "zieltext", "übersetzung"}
_FILLERS = {"text", "texts", "sentence", "sentences", "segment", "string", "word", "words"}
_FILLERS |= {"phrase", "phrases", "line", "lines"}
_FILLERS |= {"translation"}  # as in translation.de
_OTHERS = set(
    """
    lang language id ids idx index key nr no num number row line uid uuid hash score scores
    similarity laser labse bicleaner quality probability domain corpus origin file filename doc
    document label tag tags split url license licence attribution comment comments note notes
    context date user author count length
    """.split()
)
_PARTS = re.compile(r"[\s_.:/#()-]+")


def find_sides(names: Sequence[str], wanted: Wanted) -> tuple[int, ...] | None:
    """Places in ``names`` of source, target and, if ``wanted`` names one, label.

    None if nothing tells them. Raises ``CorpusError``, with a message that needs the file's name in
    front, if a name in ``wanted.columns`` is not there, or two names are as good as one another.
    """
    if wanted.columns:
        return tuple(_place(column, names) for column in wanted.columns)
    source, target = (_of_language(names, language) for language in wanted.languages)
    target = _of_role(names, _TARGET) if target is None else target
    # "English" may be beside a "translation", and the "text" is what that is of.
    for roles in _SOURCE, _FILLERS - _TARGET:
        source = _of_role(names, roles) if source is None else source
    if source is None or target is None or source == target:
        return None
    return source, target


def languages_of(names: Sequence[str]) -> list[str]:
    """Those of ``names`` that name a language and its text, as they are written."""
    # "id" and "no" are Indonesian and Norwegian, and far more often identifiers and numbers.
    return [name for name in names if _language(name) and name.casefold() not in _OTHERS]


def is_header(cells: Sequence[str]) -> bool:
    """Whether every cell is made of words that name columns, languages or nothing else."""
    return any(cells) and all(_is_heading(cell) for cell in cells if cell.strip())


def no_sides(name: str, names: Sequence[str], wanted: Wanted) -> CorpusError:
    """The error of a file in which ``find_sides`` found nothing."""
    found = [_language(name) for name in languages_of(names)]
    for language in wanted.languages:
        if found and not any(matches(one, language) for one in found):
            return CorpusError(
                f"{name} has no text for language {language!r}; it has {some_of(found)}: choose "
                "with --source-language and --target-language, or name two with --columns"
            )
    return CorpusError(
        f"{name} does not say which of its texts are source and target; it has "
        f"{some_of(names)}: name "
        "two with --columns, as in --columns SOURCE,TARGET"
    )


def _place(column: str, names: Sequence[str]) -> int:
    if column in names:
        return list(names).index(column)
    folded = [name.strip().casefold() for name in names]
    if folded.count(column.casefold()) == 1:
        return folded.index(column.casefold())
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1
    raise CorpusError(f"has no column {column!r}; it has {some_of(names)}" + nearest(column, names))


def _of_language(names: Sequence[str], language: str) -> int | None:
    """The column of a language: the one named by just that, else the only one that mentions it."""
    for exact in (True, False):
        places = [
            place
            for place, name in enumerate(names)
            if matches(name if exact else _language(name), language)
        ]
        if len(places) == 1:
            return places[0]
        if places:
            several = some_of([names[place] for place in places])
            raise CorpusError(
                f"has {several} for language {language!r}: say which with --columns SOURCE,TARGET"
            )
    return None


def _of_role(names: Sequence[str], roles: set[str]) -> int | None:
    words = [set(_words(name)) for name in names]
    places = [p for p, own in enumerate(words) if own & roles and own <= roles | _FILLERS]
    return places[0] if len(places) == 1 else None


def _language(name: str) -> str:
    """The language that a column's name is about, if the column is of its texts."""
    if language_tag(name):
        return name
    words = _words(name)
    found = [word for word in words if language_tag(word)]
    rest = set(words) - set(found)
    if len(found) == 1 and rest <= _FILLERS | _SOURCE | _TARGET:
        return found[0]
    return ""


def _is_heading(cell: str) -> bool:
    if language_tag(cell):
        return True
    words = _words(cell)
    known = _SOURCE | _TARGET | _FILLERS | _OTHERS
    return len(words) <= 4 and all(word in known or language_tag(word) for word in words)


def _words(name: str) -> list[str]:
    return [word for word in _PARTS.split(name.strip().casefold()) if word]
