"""Names what a file is that should be text, by its first bytes, and says how to make text of it."""

from __future__ import annotations

import re

from npformer.errors import CorpusError
from npformer.files.content import Content

_AS_CSV = "save it as CSV (UTF-8) and give that"
_AS_TEXT = "save its text as UTF-8, a pair a line (source, tab, target), and give that"
_UNPACK_IT = "unpack it and give the files in it"

_BEGINS: list[tuple[bytes, str, str]] = [
    (b"%PDF", "a PDF", _AS_TEXT),
    (b"{\\rtf", "a rich text document", _AS_TEXT),
    (b"\xd0\xcf\x11\xe0", "an old Office file (.xls or .doc)", _AS_CSV),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "export the pairs: sqlite3 -csv FILE 'SELECT source, target FROM table' > pairs.csv",
    ),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with zstd -d"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it with lz4 -d"),
    (b"\x1f\x9d", "compressed with compress", "unpack it with gunzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK_IT),
    (b"Rar!\x1a\x07", "a rar archive", _UNPACK_IT),
    (b"PK\3\4", "a zip archive within another file", _UNPACK_IT),
    (b"\x1f\x8b\x08", "compressed twice", "unpack it once with gunzip"),
    (
        b"ARROW1\0\0",
        "an Arrow file",
        "write it as parquet, or give its dataset's directory as hf:DIRECTORY",
    ),
    (
        b"\x80\4",
        "a pickle, which is never opened, as it may run code",
        "write it as parquet or CSV",
    ),
    (
        b"\x80\5",
        "a pickle, which is never opened, as it may run code",
        "write it as parquet or CSV",
    ),
    (b"\x93NUMPY", "a NumPy array", _AS_TEXT),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run git lfs pull"),
]
_IN_ZIP = [
    (r"xl/workbook\.", "an Excel workbook", _AS_CSV),
    (r"word/document\.", "a Word document", _AS_TEXT),
    (r"ppt/presentation\.", "a PowerPoint file", _AS_TEXT),
    (r"META-INF/container\.xml", "an EPUB book", _AS_TEXT),
    (r"Index/Document\.iwa", "a Numbers or Pages document", _AS_CSV),
    (r"content\.xml", "an OpenDocument file (.ods or .odt)", _AS_CSV),
]
_MARKUP = [
    (
        rb"(<!doctype\s+html|<html|<head|<body|<table)\b",
        "an HTML page",
        "perhaps the page about the corpus; download the file itself",
    ),
    (rb"(<\?xml.*?)?(<!--.*?-->\s*)*<xliff", "XLIFF", "convert it with xliff2po, or to TMX"),
    (
        rb"<(src|ref|tst)set\b",
        "WMT's SGML",
        "take the text out of its <seg> elements, or get the set from sacrebleu --echo",
    ),
    (rb"<\?xml", "XML, and no TMX", "convert it to TMX or to lines of source, tab, target"),
]
_WIDE = "iconv -f {0} -t UTF-8 FILE > NEW"


def check_is_text(content: Content) -> None:
    """Raise ``CorpusError`` if the content is a known format that is not lines of UTF-8."""
    if found := _looks_like(content.head()):
        what, remedy = found
        raise CorpusError(f"{content.name} is {what}: {remedy}")


def check_is_archive_of_files(content: Content) -> None:
    """Raise ``CorpusError`` if the zip archive is a document of an office program."""
    names = "\n".join(content.members())
    for pattern, what, remedy in _IN_ZIP:
        if re.search(f"^{pattern}", names, re.MULTILINE):
            raise CorpusError(f"{content.name} is {what}: {remedy}")


def _looks_like(head: bytes) -> tuple[str, str] | None:
    for start, what, remedy in _BEGINS:
        if head.startswith(start):
            return what, remedy
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it with tar -xf and give the files in it"
    if coding := _wide_coding(head):
        return coding, f"convert it to UTF-8 with {_WIDE.format(coding)}"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, what, remedy in _MARKUP:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            return what, remedy
    if b"\n" not in head and b"\0" not in head and head.rstrip(b"\r").count(b"\r"):
        return (
            "text whose lines end in CR alone",
            r"convert it with tr '\r' '\n' < FILE > NEW",
        )
    return None


def _wide_coding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    # Without a mark: ASCII in UTF-16 has a NUL in every other byte.
    for coding, odd in (("UTF-16LE", 1), ("UTF-16BE", 0)):
        here, there = head[odd::2].count(0), head[1 - odd :: 2].count(0)
        if here > len(head) // 4 and not there:
            return coding
    return ""
