"""A text as the sentences to translate, and how their translations are put back in its layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npformer.text.sentences import Splitter, join_paragraphs, split_paragraphs

_BREAKS = re.compile(r"\r\n|\r|\n")
_PARAGRAPHS = re.compile(r"\S[^\S\n]*\n(?:[^\S\n]*\n)+[^\S\n]*\S")
_INSIDE = re.compile(r"[\v\f\x1c-\x1e\x85\u2028\u2029]")  # breaks for Python, not for an editor


@dataclass(frozen=True)
class Document:
    """The sentences of a text, paragraph by paragraph; one made by ``lines`` has one a line."""

    text: str
    paragraphs: tuple[tuple[str, ...], ...]
    """The sentences of each paragraph or line; empty for a blank line."""

    @classmethod
    def read(
        cls,
        text: str,
        language: str = "en",
        *,
        lines: bool | None = None,
        splitter: Splitter = "regex",
    ) -> Document:
        """Cut a text into sentences.

        With ``lines`` every line is a paragraph, so that line n of the translation belongs to line
        n of the text; without, lines that an editor has wrapped are joined. None takes lines unless
        a blank line separates paragraphs. Raises as ``split_paragraphs``.
        """
        text = _BREAKS.sub("\n", text)
        if lines is None:
            lines = _PARAGRAPHS.search(text) is None
        if not lines:
            found = split_paragraphs(text, language, engine=splitter)
            return cls(text, tuple(map(tuple, found)))
        rows = text.removesuffix("\n").split("\n") if text else []
        # A blank line between any two: so none is taken to be the continuation of another.
        apart = "\n\n".join(_INSIDE.sub(" ", row) for row in rows)
        found = split_paragraphs(apart, language, engine=splitter)[::2]
        found += [[]] * (len(rows) - len(found))  # blank lines at the end
        return cls(text, tuple(map(tuple, found)))

    @property
    def sentences(self) -> list[str]:
        """All of them, in order."""
        return [sentence for paragraph in self.paragraphs for sentence in paragraph]

    def line_numbers(self) -> list[int]:
        """The line of the text, from 1, in which each sentence begins."""
        lines = _line_of_each_character(self.text)
        found, at = [], 0
        for sentence in self.sentences:
            found.append(lines[at])
            at += sum(not c.isspace() for c in sentence)
        return found

    def joined(self, translations: Sequence[str]) -> str:
        """One translation a sentence -> the translated text, in the layout of this one."""
        each: Iterator[str] = iter(translations)
        rows = [[next(each) for _ in paragraph] for paragraph in self.paragraphs]
        return join_paragraphs([[said for said in row if said] for row in rows])


def _line_of_each_character(text: str) -> list[int]:
    """The lines of the characters that are no space: sentences hold all of these, in order."""
    rows = enumerate(text.split("\n"), 1)
    return [number for number, row in rows for c in row if not c.isspace()]
