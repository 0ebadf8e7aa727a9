"""Lines of UTF-8 text, with errors that say where a file is not text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from npformer.errors import CorpusError
from npformer.files.content import Content
from npformer.files.looks import check_is_text

_LONGEST_LINE = 1 << 20  # bytes; so that a binary file is never read whole for its first line
_BLOCK = 1 << 16  # bytes; blocks are decoded whole, which is three times as fast as lines
_MARK = b"\xef\xbb\xbf"


def read_lines(content: Content | Path) -> Iterator[str]:
    """The lines of a UTF-8 file, one by one, without their ends (``\\n`` or ``\\r\\n``).

    A byte-order mark is dropped, also where files were joined. Raises ``CorpusError`` if the file
    is missing, a directory, empty, compressed but cut short or damaged, or not text; for the last
    with the line number and the byte (counted from 0, after decompression).
    """
    if isinstance(content, Path):
        content = Content(content)
    check_is_text(content)
    number, offset, rest = 1, 0, b""
    with content.errors(), content.open() as stream:
        while chunk := stream.read(_BLOCK):
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest += chunk
                if len(rest) > _LONGEST_LINE:
                    break
                continue
            block, rest = rest + chunk[:end], chunk[end:]
            yield from _whole_block(block) or _one_by_one(content.name, block, number, offset)
            number += block.count(b"\n")
            offset += len(block)
    if rest:
        yield from _one_by_one(content.name, rest, number, offset)
    elif offset == 0:
        raise CorpusError(f"{content.name} is empty")


def read_whole(content: Content) -> str:
    """A UTF-8 file as one text, of any length, with the errors of ``read_lines``."""
    check_is_text(content)
    data = content.read()
    try:
        if b"\0" not in data:
            return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    return "\n".join(_one_by_one(content.name, data, 1, 0))  # which raises, by line


def _whole_block(block: bytes) -> list[str]:
    """The lines of a block that ends with one, if nothing in it needs a closer look; else none."""
    if b"\0" in block or _MARK in block or len(block) > _LONGEST_LINE:
        return []
    try:
        return block.decode("utf-8").replace("\r\n", "\n").split("\n")[:-1]
    except UnicodeDecodeError:
        return []


def _one_by_one(name: str, block: bytes, number: int, offset: int) -> Iterator[str]:
    for raw in io.BytesIO(block):
        yield _decode(name, raw, number, offset)
        number, offset = number + 1, offset + len(raw)


def _decode(name: str, raw: bytes, number: int, offset: int) -> str:
    if (at := raw.find(b"\0")) >= 0:
        raise CorpusError(
            f"{name} is not a text file: line {number} has a NUL at byte {offset + at}"
        )
    if len(raw) > _LONGEST_LINE:
        raise CorpusError(f"{name}: line {number} is longer than {_LONGEST_LINE:,} bytes")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{name} is not UTF-8: line {number}, byte {offset + error.start}, is "
            f"0x{raw[error.start]:02x}; convert it, for instance with "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
        ) from error
    if raw.startswith(_MARK):
        line = line[1:]
    return line.removesuffix("\n").removesuffix("\r")
