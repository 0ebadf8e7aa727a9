"""Lines of text files, and files that are not text."""

from __future__ import annotations

import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npformer.errors import CorpusError
from npformer.files import lines
from npformer.files.lines import read_lines

TEXT = "one\tä\r\n\u2028two\x85\n\nlast"
WRITERS = {".txt": lambda b: b, ".gz": gzip.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_of_plain_and_compressed_files(tmp_path, suffix, mark):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(WRITERS[suffix]((mark + TEXT).encode()))
    assert list(read_lines(path)) == ["one\tä", "\u2028two\x85", "", "last"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\ufeff"))))
def test_what_is_written_is_read(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    if lines:
        assert list(read_lines(path)) == lines
    else:
        with pytest.raises(CorpusError, match="empty"):
            list(read_lines(path))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


MUCH = "".join(f"line {n * 7919 % 1000}\tZeile {n * 104729 % 999}\n" for n in range(2000)).encode()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", "is empty"),
        ("a.gz", b"", "is empty"),
        ("a.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.xz", lzma.compress(b""), "is empty"),
        ("a.gz", cut(gzip.compress(MUCH, mtime=0)), "cut short"),
        ("a.xz", cut(lzma.compress(MUCH)), "cut short"),
        ("a.gz", flip(gzip.compress(MUCH, mtime=0)), "damaged|not UTF-8|NUL"),
        ("a.xz", flip(lzma.compress(MUCH)), "damaged"),
        ("a.gz", MUCH, "damaged, or no .gz file"),
        ("a.xz", MUCH, "damaged, or no .xz file"),
        ("a.txt", b"fine\nbad \0 byte", "line 2 has a NUL at byte 9"),
        ("a.txt", "für\nschön\n".encode("latin-1"), "line 1, byte 1, is 0xfc"),
        ("a.txt", b"fine\n" + "schön\n".encode("latin-1"), "line 2, byte 8, is 0xf6"),
        ("a.gz", gzip.compress(b"fine\n\xff", mtime=0), "line 2, byte 5, is 0xff"),
        ("a.txt", "für\n".encode("utf-16"), "is UTF-16"),
        ("a.txt", MUCH.replace(b"\n", b" "), "line 1 is longer than 1,000 bytes"),
    ],
)
def test_files_that_are_not_text(tmp_path, monkeypatch, name, data, message):
    monkeypatch.setattr(lines, "_LONGEST_LINE", 1000)
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        list(read_lines(path))


def test_paths_that_are_not_files(tmp_path):
    (tmp_path / "corpus.tsv").write_text("a\tb\n")
    with pytest.raises(CorpusError, match=r"no file .*did you mean 'corpus.tsv'"):
        list(read_lines(tmp_path / "corpsu.tsv"))
    with pytest.raises(CorpusError, match="no file"):
        list(read_lines(tmp_path / "none" / "corpus.tsv"))
    with pytest.raises(CorpusError, match="is a directory"):
        list(read_lines(tmp_path))
