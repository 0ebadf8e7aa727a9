"""What is asked of a corpus, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from npformer.config import DataConfig
from npformer.errors import CorpusError

Row = tuple[str, str, str]
"""Source, target, and a label: where the pair is from, or empty text."""

Note = Callable[[str], None]
"""Hears what a reader decided by itself, a sentence for a person."""

_MOST_NAMES = 12
_BREAKS = re.compile(r"[ \t]*[\r\n]+\s*")


class Wanted(NamedTuple):
    """Which two texts of a row are the pair."""

    source_language: str = "en"
    target_language: str = "de"
    columns: tuple[str, ...] = ()
    """Names or numbers of source and target, and perhaps of a label; empty finds them."""
    text: bool = False
    """Whether a text without pairs will do: each of its documents is then both sides of a pair."""

    @classmethod
    def by(cls, data: DataConfig, *, text: bool = False) -> Wanted:
        """What ``data`` asks for."""
        wanted = cls.of(data.source_language, data.target_language, data.columns)
        return wanted._replace(text=text)

    @classmethod
    def of(cls, source_language: str, target_language: str, columns: str = "") -> Wanted:
        """``columns`` is a list with commas. Raises ``CorpusError`` if it names not 2 or 3."""
        names = tuple(name.strip() for name in columns.split(",")) if columns else ()
        if names and (len(names) not in (2, 3) or not all(names)):
            raise CorpusError(
                f"columns is {columns!r}; name two, source and target, and perhaps a third, the "
                "label of where a pair is from: 2,4 or source,target,domain"
            )
        return cls(source_language, target_language, names)

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target."""
        return self.source_language, self.target_language


def one_line(text: str) -> str:
    """A sentence without line breaks, as every line-wise tool downstream needs it."""
    return _BREAKS.sub(" ", text) if "\n" in text or "\r" in text else text


def some_of(names: Sequence[str]) -> str:
    """Names for a message: all of them, or the first of very many."""
    shown = ", ".join(names[:_MOST_NAMES])
    return shown + (f", and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else "")
