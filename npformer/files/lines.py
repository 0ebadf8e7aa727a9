"""Lines of text from plain, .gz and .xz files, with errors that say where a file is not text."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from npformer.errors import CorpusError, nearest

_LONGEST_LINE = 1 << 20  # bytes; so that a binary file is never read whole for its first line
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, one by one, without their ends (``\\n`` or ``\\r\\n``).

    A byte-order mark is dropped. Raises ``CorpusError`` if the file is missing, a directory,
    empty, compressed but cut short or damaged, or not text; for the last with the line number
    and the byte (counted from 0, after decompression).
    """
    _check_file(path)
    offset = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), 1):
                yield _decode(path, raw, number, offset)
                offset += len(raw)
    except EOFError as error:
        raise CorpusError(f"{str(path)!r} is cut short: its compressed data has no end") from error
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{str(path)!r} is damaged, or no {path.suffix} file: {error}") from error
    except OSError as error:
        raise CorpusError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    if offset == 0:
        raise CorpusError(f"{str(path)!r} is empty")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise CorpusError(
            f"{str(path)!r} is a directory; give a file in it, or hf:{path} if it is a dataset"
        )
    if not path.exists():
        folder = path.parent
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        raise CorpusError(f"there is no file {str(path)!r}" + nearest(path.name, names))
    if path.stat().st_size == 0:
        raise CorpusError(f"{str(path)!r} is empty")


def _open(path: Path) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    return open(path, "rb")


def _decode(path: Path, raw: bytes, number: int, offset: int) -> str:
    if number == 1 and raw.startswith(_UTF16):
        raise CorpusError(f"{str(path)!r} is UTF-16; convert it to UTF-8")
    if (at := raw.find(b"\0")) >= 0:
        raise CorpusError(
            f"{str(path)!r} is not a text file: line {number} has a NUL at byte {offset + at}"
        )
    if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
        raise CorpusError(f"{str(path)!r}: line {number} is longer than {_LONGEST_LINE:,} bytes")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{str(path)!r} is not UTF-8: line {number}, byte {offset + error.start}, is "
            f"0x{raw[error.start]:02x}; convert the file to UTF-8"
        ) from error
    if number == 1:
        line = line.removeprefix("\ufeff")
    return line.removesuffix("\n").removesuffix("\r")
