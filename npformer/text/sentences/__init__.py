"""A sentence tokenizer: regular expressions find the stops, a few rules decide which ones end.

Text is cut in two steps. ``wrapping`` first finds the lines that belong together: a line break
counts as wrapping, and becomes a space, only where the next word would not have fitted in the
paragraph's longest line; every other line break and every blank line is kept. ``boundaries`` then
cuts each block into sentences, with what ``languages`` knows of abbreviations. Nothing but white
space is ever lost.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

from npformer.errors import ConfigError, NpformerError, install, nearest
from npformer.text.sentences.boundaries import boundaries_of
from npformer.text.sentences.marks import IDEOGRAPHIC_STOPS
from npformer.text.sentences.wrapping import blocks

Splitter = Literal["regex", "spacy"]

_NO_SPACE_BEHIND = tuple(IDEOGRAPHIC_STOPS + "」』")


def split_sentences(text: str, language: str = "en", *, engine: Splitter = "regex") -> list[str]:
    """The sentences of ``text``, stripped; together they hold all of its non-space characters.

    ``language`` is a code such as ``en`` or ``de-AT``: it chooses the abbreviations that are known.
    ``engine="spacy"`` asks spaCy's rule-based sentencizer instead and needs the extra ``spacy``
    (``NpformerError`` without it).
    """
    paragraphs = split_paragraphs(text, language, engine=engine)
    return [sentence for paragraph in paragraphs for sentence in paragraph]


def split_paragraphs(
    text: str, language: str = "en", *, engine: Splitter = "regex"
) -> list[list[str]]:
    """The sentences of each paragraph; an empty list stands for a blank line.

    A paragraph is a line, or several that were one line before an editor wrapped them.
    ``join_paragraphs`` puts the text back together.
    """
    split = _cutter(language, engine)
    found = blocks(text, boundaries_of(language))
    return [split(block) if block else [] for block in found]


def join_paragraphs(paragraphs: list[list[str]]) -> str:
    """One line per paragraph, its sentences separated by spaces; an empty one is a blank line.

    No space is put behind the full stop of Chinese and Japanese.
    """
    return "\n".join("".join(_spaced(sentences)) for sentences in paragraphs)


def _spaced(sentences: list[str]) -> Iterator[str]:
    for number, sentence in enumerate(sentences, 1):
        yield sentence
        if number < len(sentences) and not sentence.endswith(_NO_SPACE_BEHIND):
            yield " "


def _cutter(language: str, engine: str) -> Callable[[str], list[str]]:
    if engine == "regex":
        return boundaries_of(language).cut
    if engine == "spacy":
        pipeline = _spacy_pipeline(language)
        return lambda block: [s for span in pipeline(block).sents if (s := span.text.strip())]
    raise ConfigError(
        f"sentence engine {engine!r} does not exist; choose regex or spacy"
        + nearest(engine, ["regex", "spacy"])
    )


@functools.lru_cache(maxsize=4)
def _spacy_pipeline(language: str) -> Any:
    try:
        import spacy
    except ImportError as error:
        raise NpformerError(f"the spacy sentence engine needs spaCy; {install('spacy')}") from error
    try:
        pipeline = spacy.blank(language)
    except ImportError as error:
        raise NpformerError(
            f"spaCy has no language {language!r}; give a code such as en or de"
        ) from error
    pipeline.add_pipe("sentencizer")
    pipeline.max_length = 1 << 40  # its limit is for parsers; splitting needs little memory
    return pipeline
