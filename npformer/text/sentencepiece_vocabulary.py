"""The vocabulary in files of SentencePiece (Kudo & Richardson, 2018), read by its own library.

The library normalises and cuts a text, and its pieces have the ids of its file, or those of a
table beside it. A translator may have one file for each side. What the files do not say is
``Layout``: special tokens, which are found whole in a text, and what stands around a text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from npformer.errors import TokenizerError
from npformer.text.rust_library import not_text

KEY = "sentencepiece"
"""Under this a checkpoint's file says the layout, and has the files."""
SPACE = "▁"


@dataclass(frozen=True)
class Layout:
    """How files of SentencePiece are a vocabulary."""

    source: str
    """The file that cuts a text."""
    target: str = ""
    """The file that joins what is written, if it is another."""
    table: str = ""
    """The file with the id of each piece; without one, it is the piece's place in ``source``."""
    target_table: str = ""
    """The same of what is written, if it is another."""
    offset: int = 0
    """Without tables, what is added to a place; pieces of ``special`` have the ids given there."""
    unknown: str = "<unk>"
    """The piece in the table that stands for all that are not there."""
    special: Mapping[str, int] = field(default_factory=dict)
    """Tokens that are no text of a model's, found whole in a text; a table's own id comes first."""
    added: Mapping[str, int] = field(default_factory=dict)
    """Tokens that are text, found whole in a text before it is cut."""
    code: str = ""
    """Pattern of what may stand at the beginning of a text and is one piece of the table."""
    first: tuple[int, ...] = ()
    """Ids before a text."""
    last: tuple[int, ...] = ()
    """Ids after a text."""


class SentencePieceVocabulary:
    """The vocabulary of ``files`` by their names, as ``layout`` says.

    Raises TokenizerError for files that are missing or damaged, and ModuleNotFoundError without the
    ``sentencepiece`` package.
    """

    def __init__(self, files: Mapping[str, bytes], layout: Layout) -> None:
        self.layout = layout
        names = (layout.source, layout.target, layout.table, layout.target_table)
        try:
            self._files = {name: files[name] for name in names if name}
        except KeyError as error:
            raise TokenizerError(f"{error.args[0]} is missing, which cuts or joins texts") from None
        self._source = _processor(self._files, layout.source)
        self._target = _processor(self._files, layout.target) if layout.target else self._source
        self._read = _table(self._files, layout.table, layout.unknown)
        tables = layout.target_table or layout.table
        self._written = _table(self._files, tables, layout.unknown)
        if layout.offset:
            self._read = self._written = _places(self._source, layout.offset, layout.special)
        self._pieces = {i: piece for piece, i in self._written.items()}
        self._special = {} if self._read else _control(self._source)
        self._special |= layout.special
        written = {self._written.get(token, i) for token, i in self._special.items()}
        self._silent = {*written, self._written.get(layout.unknown)}
        self._added = {i: token for token, i in layout.added.items()}
        self._named = {i: token for token, i in {**layout.added, **self._special}.items()}
        self.around = (layout.first, layout.last)
        self.size = max(self.ids().values(), default=-1) + 1
        self.source_size = max(self.ids(source=True).values(), default=-1) + 1
        whole = sorted({**self._special, **layout.added}, key=len, reverse=True)
        self._whole = re.compile(f"({'|'.join(map(re.escape, whole))})") if whole else None
        self._code = re.compile(layout.code, re.DOTALL) if layout.code else None

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> SentencePieceVocabulary:
        """What ``content`` gave; raises TokenizerError if it is damaged, and as the class."""
        try:
            said: dict[str, Any] = dict(content["layout"])
            around = {name: tuple(said[name]) for name in ("first", "last")}
            layout = Layout(**(said | around))
            files = {name: base64.b64decode(text) for name, text in content["files"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TokenizerError(f"the vocabulary's files are damaged: {error}") from error
        return cls(files, layout)

    def encode(self, text: str) -> list[int]:
        """The ids of a text alone. Raises TokenizerError for what UTF-8 cannot write."""
        return self._encode(text, self._source, self._read)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of each text."""
        return [self.encode(text) for text in texts]

    def encode_written(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts that are written, by the file and the table for them."""
        return [self._encode(text, self._target, self._written) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``: special ids vanish, and those that there are none of."""
        kept = [int(i) for i in ids if i not in self._silent and self.name(int(i)) is not None]
        text = ""
        for is_added, run in groupby(kept, self._added.__contains__):
            if is_added:
                text += "".join(self._added[i] for i in run)
            elif self._pieces:
                # A table's piece that this file has not keeps its mark of a space.
                joined = self._target.decode_pieces([self._pieces[i] for i in run])
                text += joined.replace(SPACE, " ")
            else:
                text += self._target.decode(list(run))
        return text.strip() if self._pieces else text

    def name(self, i: int) -> str | None:
        """The piece of an id; None if there is no such id."""
        if not self._pieces and 0 <= i < self._target.piece_size():
            return str(self._target.id_to_piece(i))
        return self._pieces.get(i, self._named.get(i))

    def ids(self, source: bool = False) -> Mapping[str, int]:
        """Every id by its token, of what is written or of a ``source``."""
        return self._ids(self._read if source else self._written)

    def files(self) -> dict[str, bytes]:
        """The files as they came."""
        return dict(self._files)

    def content(self) -> dict[str, Any]:
        """The layout, and the files as text."""
        files = {name: base64.b64encode(file).decode() for name, file in self._files.items()}
        return {KEY: {"layout": asdict(self.layout), "files": files}}

    def _ids(self, table: Mapping[str, int]) -> dict[str, int]:
        places = range(0 if table else self._source.piece_size())
        own = table or {self._source.id_to_piece(i): i for i in places}
        return {**self.layout.added, **self._special, **own}

    def _parts(self, text: str) -> Iterator[str]:
        """Whole tokens, and what is between them."""
        return filter(None, [text] if self._whole is None else self._whole.split(text))

    def _encode(self, text: str, processor: Any, table: Mapping[str, int]) -> list[int]:
        try:
            text.encode()
        except (UnicodeEncodeError, AttributeError) as error:
            raise not_text(text) from error
        return [i for part in self._parts(text) for i in self._cut(part, processor, table)]

    def _cut(self, part: str, processor: Any, table: Mapping[str, int]) -> list[int]:
        for tokens in (self._special, self.layout.added):
            if part in tokens:
                return [table.get(part, tokens[part])]
        if not table:
            found: list[int] = processor.encode(part)
            return found
        unknown = table[self.layout.unknown]
        code = self._code.match(part) if self._code else None
        begun = [code[0]] if code else []
        pieces = processor.encode(part[len("".join(begun)) :], out_type=str)
        return [table.get(piece, unknown) for piece in [*begun, *pieces]]


def _processor(files: Mapping[str, bytes], name: str) -> Any:
    import sentencepiece

    try:
        if not files[name]:
            raise RuntimeError("it is empty")
        return sentencepiece.SentencePieceProcessor(model_proto=files[name])
    except RuntimeError as error:
        raise TokenizerError(f"{name} is no file of SentencePiece, or damaged: {error}") from error


def _control(processor: Any) -> dict[str, int]:
    """The pieces that no text is cut into, and the one for what no other spells."""
    places = range(processor.piece_size())
    named = (i for i in places if processor.is_control(i) or processor.is_unknown(i))
    return {processor.id_to_piece(i): i for i in named}


def _places(processor: Any, offset: int, special: Mapping[str, int]) -> dict[str, int]:
    """The ids of pieces, ``offset`` from their places unless ``special`` has them."""
    places = range(processor.piece_size())
    return {**{processor.id_to_piece(i): i + offset for i in places}, **special}


def _table(files: Mapping[str, bytes], name: str, unknown: str) -> dict[str, int]:
    """The ids of pieces that a file lists; none if there is no file."""
    if not name:
        return {}
    try:
        table = json.loads(files[name])
        whole = all(type(i) is int and i >= 0 for i in table.values())
    except (ValueError, AttributeError, RecursionError) as error:
        raise TokenizerError(f"{name} cannot be understood: {error}") from error
    if not whole or unknown not in table:
        raise TokenizerError(f"{name} is no table of pieces and their ids, with {unknown} in it")
    return dict(table)
