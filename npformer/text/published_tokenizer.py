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
from npformer.text.published_vocabulary import LibraryVocabulary, Vocabulary
from npformer.text.sentencepiece_vocabulary import SentencePieceVocabulary
from npformer.text.tokenizer import Tokenizer

KEY = "npformer"
"""What npformer adds to the file is under this."""


class PublishedTokenizer(Tokenizer):
    """A tokenizer with a published vocabulary.

    ``ends`` are the ids that end a text, and ``start`` the one that begins a text of nothing.
    Where a model reads a source, ``target`` are the ids that begin what it writes; none where
    they depend on the language.
    """

    kind = "published"
    silent = ()

    def __init__(
        self,
        vocabulary: Vocabulary,
        ends: Iterable[int],
        start: int | None,
        target: Sequence[int] | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.ends = frozenset(ends)
        self.start = start
        self.begin, self.close = vocabulary.around
        self.target = target
        if target is not None:
            self.before, self.begin = self.begin, tuple(target)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; the model's embedding may have more rows."""
        return self.vocabulary.size

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

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text."""
        return self.vocabulary.encode_batch(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that the tokenizer has not."""
        return self.vocabulary.decode(ids)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """A readable name for each id; one that the tokenizer has not is ``‹id›``."""
        names = ((i, self.vocabulary.name(i)) for i in ids)
        return [f"‹{i}›" if name is None else name for i, name in names]

    def to_bytes(self) -> bytes:
        """The content of the file that ``save`` writes, which ``load_tokenizer`` reads."""
        more = {"ends": sorted(self.ends), "start": self.start, "target": self.target}
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
        return PublishedTokenizer(
            _vocabulary(file), more["ends"], more["start"], more.get("target")
        )
    except (KeyError, TypeError) as error:
        raise TokenizerError(f"{str(path)!r} is damaged: it lacks {error}") from error


def _vocabulary(file: dict[str, Any]) -> Vocabulary:
    if sentencepiece_vocabulary.KEY in file:
        return SentencePieceVocabulary.read(file[sentencepiece_vocabulary.KEY])
    return LibraryVocabulary(file)
