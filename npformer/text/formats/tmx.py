"""Pairs from a translation memory (TMX 1.1 to 1.4b), read as a stream by Python's own expat.

Entities that a file declares are refused, and no file that it names is opened: text can then not
grow while it is read. Text in ``bpt``, ``ept``, ``it``, ``ph`` and ``ut`` is another format's code,
and left out; that of ``hi`` and of ``seg`` itself is the sentence's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from xml.parsers import expat

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.text.formats.languages import matches
from npformer.text.formats.wanted import Note, Row, Wanted, one_line

_CODE = {"bpt", "ept", "it", "ph", "ut"}
_PIECE = 1 << 16  # bytes handed to the parser at once
_SHOWN = 12
_HINTS = {
    expat.errors.codes[
        expat.errors.XML_ERROR_INVALID_TOKEN
    ]: " (a bare & or <, or a control character)"
}


def tmx_rows(content: Content, wanted: Wanted, note: Note) -> Iterator[Row]:
    """A pair for each unit; a language that a unit lacks is an empty side.

    Raises ``CorpusError`` for XML that is damaged, is no TMX, or declares entities, and, once all
    is read, if no unit has both languages.
    """
    units = _Units(content.name)
    found = Counter[str]()
    chosen: dict[str, tuple[bool, bool]] = {}  # whether a language is the source, the target
    count = paired = 0
    with content.errors(), content.open() as stream:
        while piece := stream.read(_PIECE):
            units.feed(piece)
            while units.ready:
                unit = units.ready.popleft()
                sides = ["", ""]
                for language, text in unit:
                    if language not in chosen:
                        source, target = (matches(language, w) for w in wanted.languages)
                        chosen[language] = (source, target)
                    found[language] += 1
                    for side, is_it in enumerate(chosen[language]):
                        if is_it and not sides[side]:
                            sides[side] = text
                count += 1
                paired += all(sides)
                yield sides[0], sides[1], ""
        units.feed(b"", last=True)
    if not units.is_tmx:
        raise CorpusError(f"{content.name} is XML, but no TMX: its root is {units.root!r}")
    if not paired:
        listed = ", ".join(name for name, _ in found.most_common(_SHOWN)) or "none"
        raise CorpusError(
            f"{content.name} has no unit with both {wanted.source_language!r} and "
            f"{wanted.target_language!r}; its {count:,} units have {listed}: choose with "
            "--source-language and --target-language"
        )


class _Units:
    """The units that the parser has finished: lists of language and text."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.ready: deque[list[tuple[str, str]]] = deque()
        self.root = ""
        self._unit: list[tuple[str, str]] = []
        self._language = ""
        self._text: list[str] = []
        self._in_segment = False
        self._in_code = 0
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity

    @property
    def is_tmx(self) -> bool:
        return self.root == "tmx"

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Read on; raises ``CorpusError`` where the file is no XML."""
        try:
            self.parser.Parse(piece, last)
        except expat.ExpatError as error:
            raise CorpusError(
                f"{self._name}: line {error.lineno}, column {error.offset + 1} is no XML: "
                f"{expat.ErrorString(error.code)}" + _HINTS.get(error.code, "")
            ) from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.root = self.root or tag
        if self._in_segment:
            self._in_code += tag in _CODE
        elif tag == "tuv":
            self._language = attributes.get("xml:lang") or attributes.get("lang", "")
        elif tag == "seg":
            self._in_segment, self._text = True, []
        elif tag == "tu":
            self._unit = []

    def _end(self, tag: str) -> None:
        if tag == "seg":
            self._in_segment = False
            self._unit.append((self._language, one_line("".join(self._text))))
        elif self._in_segment:
            self._in_code -= tag in _CODE
        elif tag == "tu":
            self.ready.append(self._unit)

    def _characters(self, text: str) -> None:
        if self._in_segment and not self._in_code:
            self._text.append(text)

    def _entity(self, name: str, *declaration: object) -> None:
        raise CorpusError(
            f"{self._name}: line {self.parser.CurrentLineNumber} declares the entity {name!r}; "
            "npformer reads TMX without entities of its own: write out its text"
        )
