"""A tokenizer that came with published weights, with the ids that its own training gave it.

Its file is the ``tokenizers`` library's, and may normalise, cut and decode as no tokenizer of
npformer's does. In a checkpoint the same file has one more key, for what it does not say itself:
which ids end a text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from npformer.errors import TokenizerError
from npformer.text.tokenizer import Tokenizer, byte_letters, panics_as_errors, readable

KEY = "npformer"
"""What npformer adds to the file is under this."""


class PublishedTokenizer(Tokenizer):
    """A tokenizer read from a file of the ``tokenizers`` library.

    ``ends`` are the ids that end a text, and ``start`` the one that begins a text of nothing.
    Where a model reads a source, ``target`` are the ids that begin what it writes; none where
    they depend on the language. Raises TokenizerError for a file that is none.
    """

    kind = "published"
    silent = ()

    def __init__(
        self,
        content: str,
        ends: Iterable[int],
        start: int | None,
        target: Sequence[int] | None = None,
    ) -> None:
        try:
            self._file: dict[str, Any] = json.loads(content)
            self._file.pop(KEY, None)
            with panics_as_errors():
                core = tokenizers.Tokenizer.from_str(json.dumps(self._file))
        except Exception as error:  # the library raises plain Exception
            raise TokenizerError(f"the tokenizer's file cannot be understood: {error}") from error
        core.no_padding()
        core.no_truncation()
        core.encode_special_tokens = False
        self._core = core
        self.ends = frozenset(ends)
        self.start = start
        self.begin, self.close = _around(core)
        self.target = target
        if target is not None:
            self.before, self.begin = self.begin, tuple(target)
        vocabulary = core.get_vocab(with_added_tokens=True)
        self._size = max(vocabulary.values(), default=-1) + 1
        self._bytes = byte_letters() if _writes_bytes(self._file) else None

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; the model's embedding may have more rows."""
        return self._size

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

    def encode_batch(self, texts: Any) -> list[list[int]]:
        """``encode`` of each text, on all cores."""
        try:
            encoded = self._core.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            return [self.encode(text) for text in texts]
        return [each.ids for each in encoded]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that the tokenizer has not."""
        text: str = self._core.decode(list(ids), skip_special_tokens=True)
        return text

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """A readable name for each id; one that the tokenizer has not is ``‹id›``."""
        return [self._name(i) for i in ids]

    def to_bytes(self) -> bytes:
        """The content of the file that ``save`` writes, which ``load_tokenizer`` reads."""
        more = {"ends": sorted(self.ends), "start": self.start, "target": self.target}
        return (json.dumps({KEY: more, **self._file}, ensure_ascii=False) + "\n").encode()

    def published(self) -> bytes:
        """The content of the file as others read it."""
        return (json.dumps(self._file, ensure_ascii=False, indent=2) + "\n").encode()

    def _name(self, i: int) -> str:
        piece = self._core.id_to_token(i)
        if piece is None:
            return f"‹{i}›"
        if self._bytes is not None and all(c in self._bytes for c in piece):
            return readable(bytes(self._bytes[c] for c in piece))
        return str(piece)


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a checkpoint, npformer's own or a published one.

    Raises TokenizerError if it is missing, damaged or foreign.
    """
    try:
        content = Path(path).read_bytes()
        more = json.loads(content).get(KEY) if KEY.encode() in content[:100] else None
    except (OSError, ValueError, AttributeError):
        more = None  # which the other says better
    if not isinstance(more, dict):
        return Tokenizer.load(path)
    try:
        return PublishedTokenizer(content.decode(), more["ends"], more["start"], more.get("target"))
    except (KeyError, TypeError) as error:
        raise TokenizerError(f"{str(path)!r} is damaged: it lacks {error}") from error


def _around(core: tokenizers.Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before a text, and after it."""
    bare = core.encode("a", add_special_tokens=False).ids
    whole = core.encode("a", add_special_tokens=True).ids
    for first in range(len(whole) - len(bare) + 1):
        if whole[first : first + len(bare)] == bare:
            return tuple(whole[:first]), tuple(whole[first + len(bare) :])
    return (), ()


def _writes_bytes(file: dict[str, Any]) -> bool:
    """Whether a token is written in the letters of byte-level BPE."""
    decoder = file.get("decoder") or {}
    return "ByteLevel" in {decoder.get("type"), *(d["type"] for d in decoder.get("decoders", ()))}
