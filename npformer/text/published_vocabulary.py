"""What a published tokenizer asks of its vocabulary, and the vocabulary in ``tokenizer.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import tokenizers

from npformer.errors import TokenizerError
from npformer.text.byte_alphabet import byte_letters, readable
from npformer.text.rust_library import not_text, panics_as_errors

TOKENIZER = "tokenizer.json"


class Vocabulary(Protocol):
    """Text to ids and back, as the files of a published model say it."""

    size: int
    """One more than the largest id of what is written."""
    source_size: int
    """The same of a source."""
    around: tuple[tuple[int, ...], tuple[int, ...]]
    """The ids before a text, and after it."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text alone. Raises TokenizerError for what UTF-8 cannot write."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text."""

    def encode_written(self, texts: Sequence[str]) -> list[list[int]]:
        """The same of texts that are written, which may have ids of their own."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that there are none of."""

    def name(self, i: int) -> str | None:
        """A readable name of an id; None if there is no such id."""

    def ids(self, source: bool = False) -> Mapping[str, int]:
        """Every id by its token, of what is written or of a ``source``."""

    def files(self) -> dict[str, bytes]:
        """The files as others read them."""

    def content(self) -> dict[str, Any]:
        """What a checkpoint's file says, beside what the tokenizer adds."""


class LibraryVocabulary:
    """That of the ``tokenizers`` library's own file, which may normalise, cut and decode as it
    likes.

    Raises TokenizerError for a file that is none.
    """

    def __init__(self, file: Mapping[str, Any]) -> None:
        self._file = dict(file)
        try:
            with panics_as_errors():
                core = tokenizers.Tokenizer.from_str(json.dumps(self._file))
        except Exception as error:  # the library raises plain Exception
            raise TokenizerError(f"the tokenizer's file cannot be understood: {error}") from error
        core.no_padding()
        core.no_truncation()
        core.encode_special_tokens = False
        self._core = core
        self.around = _around(core)
        self.size = self.source_size = max(self.ids().values(), default=-1) + 1
        self._bytes = byte_letters() if _writes_bytes(self._file) else None

    @classmethod
    def read(cls, content: str) -> LibraryVocabulary:
        """That of a file's content; raises as the class."""
        try:
            file = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise TokenizerError(f"the tokenizer's file cannot be understood: {error}") from error
        if not isinstance(file, dict):
            raise TokenizerError("the tokenizer's file holds no table of fields")
        return cls(file)

    def encode(self, text: str) -> list[int]:
        """The ids of a text alone. Raises TokenizerError for what UTF-8 cannot write."""
        try:
            return self._core.encode(text, add_special_tokens=False).ids
        except TypeError as error:
            raise not_text(text) from error

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text, on all cores."""
        try:
            encoded = self._core.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            return [self.encode(text) for text in texts]
        return [each.ids for each in encoded]

    def encode_written(self, texts: Sequence[str]) -> list[list[int]]:
        """The same as ``encode_batch``."""
        return self.encode_batch(texts)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that there are none of."""
        text: str = self._core.decode(list(ids), skip_special_tokens=True)
        return text

    def name(self, i: int) -> str | None:
        """A readable name of an id; None if there is no such id."""
        piece = self._core.id_to_token(i)
        if piece is not None and self._bytes is not None and all(c in self._bytes for c in piece):
            return readable(bytes(self._bytes[c] for c in piece))
        return None if piece is None else str(piece)

    def ids(self, source: bool = False) -> Mapping[str, int]:
        """Every id by its token, the same of both."""
        found: dict[str, int] = self._core.get_vocab(with_added_tokens=True)
        return found

    def files(self) -> dict[str, bytes]:
        """The file as others read it."""
        return {TOKENIZER: (json.dumps(self._file, ensure_ascii=False, indent=2) + "\n").encode()}

    def content(self) -> dict[str, Any]:
        """The same file."""
        return self._file


def _around(core: tokenizers.Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before a text, and after it."""
    bare = core.encode("a", add_special_tokens=False).ids
    whole = core.encode("a", add_special_tokens=True).ids
    for first in range(len(whole) - len(bare) + 1):
        if whole[first : first + len(bare)] == bare:
            return tuple(whole[:first]), tuple(whole[first + len(bare) :])
    return (), ()


def _writes_bytes(file: Mapping[str, Any]) -> bool:
    """Whether a token is written in the letters of byte-level BPE."""
    decoder = file.get("decoder") or {}
    return "ByteLevel" in {decoder.get("type"), *(d["type"] for d in decoder.get("decoders", ()))}
