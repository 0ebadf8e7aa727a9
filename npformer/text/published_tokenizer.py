"""A tokenizer that came with published weights, with the ids that its own training gave it.

Its files may normalise, cut and decode as no tokenizer of npformer's does. In a checkpoint they are
one file, with one more key for what they do not say themselves: which ids end a text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from npformer.errors import TokenizerError
from npformer.text import sentencepiece_vocabulary
from npformer.text.model_languages import Languages, listed
from npformer.text.published_vocabulary import LibraryVocabulary, Vocabulary
from npformer.text.sentencepiece_vocabulary import SentencePieceVocabulary
from npformer.text.tokenizer import MASK, Tokenizer

MASKS = (MASK, "<mask>")
"""What a hidden token is called."""
KEY = "npformer"
"""What npformer adds to the file is under this."""


class PublishedTokenizer(Tokenizer):
    """A tokenizer with a published vocabulary.

    ``ends`` are the ids that end a text, and ``start`` the one that begins a text of nothing.
    Where a model reads a source, ``target`` are the ids that begin what it writes. ``languages``
    are those that it is told by ids.
    """

    kind = "published"
    silent = ()

    def __init__(
        self,
        vocabulary: Vocabulary,
        ends: Iterable[int],
        start: int | None,
        target: Sequence[int] | None = None,
        languages: Languages | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.ends = frozenset(ends)
        self.start = start
        self.before, self.close = vocabulary.around
        self.target = target
        self.languages = languages

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; the model's embedding may have more rows."""
        return self.vocabulary.size

    @property
    def begin(self) -> tuple[int, ...]:
        """Ids that stand before a text that is read from its beginning, or written.

        Raises TokenizerError where they depend on a language that nothing names.
        """
        begin = self.before if self.target is None else tuple(self.target)
        if self.languages is None or self.languages.in_source:
            return begin
        if not set(begin) & set(self.languages.ids.values()):
            raise TokenizerError(
                "what this model writes begins with its language, and nothing names one; give "
                "--target-language, where it is loaded or translates, one of "
                f"{listed(self.languages.ids)}"
            )
        return begin

    @property
    def opening(self) -> tuple[int, ...]:
        """Ids that a written text begins with in training; those around every text are learned.

        Raises TokenizerError as ``begin``, and where there is none.
        """
        around = self.vocabulary.around[0]
        if not self.begin:
            raise TokenizerError(
                "what this model writes begins with its language, which no file of it names; give "
                "its generation_config.json a forced_bos_token_id"
            )
        if self.target is None or self.languages is not None or set(around) <= set(self.begin):
            return self.begin
        return (*self.begin, *around)

    def between(self, source: str | None, target: str | None) -> Tokenizer:
        """The same tokenizer, for texts of these languages by their names; None is as it was.

        A source's language that the model is not told is no error. Raises TokenizerError for a
        target's that it is not told, and for languages that it has not.
        """
        if self.languages is None:
            return super().between(source, target)
        ids = self.languages.ids.values()
        found = PublishedTokenizer(
            self.vocabulary, self.ends, self.start, self.target, self.languages
        )
        found.before, found.close = self.before, self.close
        before = target if self.languages.in_source else source
        if before is not None:
            told = self.languages.id_of(before)
            if set(ids) & {*self.before, *self.close}:
                swapped = ([told if i in ids else i for i in p] for p in (self.before, self.close))
                found.before, found.close = map(tuple, swapped)
            else:
                found.before = (told, *self.before)
        if target is not None and not self.languages.in_source:
            rest = [i for i in self.target or () if i not in ids]
            found.target = (*rest, self.languages.id_of(target))
        return found

    @property
    def first(self) -> int:
        """The id that a text begins with. Raises TokenizerError for a model that has none."""
        if self.begin:
            return self.begin[-1]
        if self.start is None:
            raise TokenizerError("this model has no token that begins a text; none can be measured")
        return self.start

    def fits(self, rows: int) -> bool:
        """Whether an embedding of so many rows has one for every id."""
        return self.vocab_size <= rows

    def prompt(self, text: str) -> list[int]:
        """The ids of a text that is to go on, with those that begin one.

        Raises TokenizerError for no text where the model has no id that begins one.
        """
        ids = [*self.begin, *self.encode(text)]
        if not ids and self.start is not None:
            ids = [self.start]
        if not ids:
            raise TokenizerError("the text is empty, and this model has no token that begins one")
        return ids

    def encode(self, text: str) -> list[int]:
        """The ids of ``text`` alone. Raises TokenizerError for text that UTF-8 cannot write."""
        return self.vocabulary.encode(text)

    @property
    def mask(self) -> int | None:
        """The id of a token that is hidden from a model; None if there is no such id."""
        ids = self.vocabulary.ids()
        return next((ids[name] for name in MASKS if name in ids), None)

    def encode_masked(self, text: str) -> list[int]:
        """``encode`` of a text in which ``[MASK]`` stands for a hidden token; raises as above."""
        own = next((name for name in MASKS if name in self.vocabulary.ids()), None)
        if own is None:
            raise TokenizerError("this model's tokenizer has no [MASK] or <mask>")
        return self.encode(text.replace(MASK, own))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text."""
        return self.vocabulary.encode_batch(texts)

    def encode_written(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text as one that the model writes, where a source has other ids."""
        return self.vocabulary.encode_written(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that the tokenizer has not."""
        return self.vocabulary.decode(ids)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """A readable name for each id; one that the tokenizer has not is ``‹id›``."""
        names = ((i, self.vocabulary.name(i)) for i in ids)
        return [f"‹{i}›" if name is None else name for i, name in names]

    def to_bytes(self) -> bytes:
        """The content of the file that ``save`` writes, which ``load_tokenizer`` reads."""
        more: dict[str, Any] = {"ends": sorted(self.ends), "start": self.start}
        more["target"] = self.target
        if self.languages is not None:
            more["languages"] = self.languages._asdict()
            more["around"] = [self.before, self.close]
        content = {KEY: more, **self.vocabulary.content()}
        return (json.dumps(content, ensure_ascii=False) + "\n").encode()

    def published(self) -> dict[str, bytes]:
        """The files as others read them, by their names."""
        return self.vocabulary.files()


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a checkpoint, npformer's own or a published one.

    Raises TokenizerError if it is missing, damaged or foreign.
    """
    try:
        content = Path(path).read_bytes()
        file = json.loads(content) if KEY.encode() in content[:100] else {}
        more = file.pop(KEY, None)
    except (OSError, ValueError, AttributeError):
        more = None  # which the other says better
    if not isinstance(more, dict):
        return Tokenizer.load(path)
    try:
        languages = Languages(**more["languages"]) if "languages" in more else None
        found = PublishedTokenizer(
            _vocabulary(file), more["ends"], more["start"], more.get("target"), languages
        )
        if languages is not None:
            found.before, found.close = map(tuple, more["around"])
    except (KeyError, TypeError, ValueError) as error:
        raise TokenizerError(f"{str(path)!r} is damaged: it lacks {error}") from error
    return found


def _vocabulary(file: dict[str, Any]) -> Vocabulary:
    if sentencepiece_vocabulary.KEY in file:
        return SentencePieceVocabulary.read(file[sentencepiece_vocabulary.KEY])
    return LibraryVocabulary(file)
