"""The same pairs compressed, in an archive, from a pipe and by ``hf:``; and files that are none."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import threading
import zipfile

import pytest

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.text.corpus import has_splits, load_corpus, read_pairs
from npformer.text.stream import PairStream
from tests.text.formats.corpora import pairs, sentences

PAIRS = sentences(60)
TABLE = "".join(f"{s}\t{t}\n" for s, t in PAIRS).encode()
JSON = "".join(f'{{"en": "{s}", "de": "{t}"}}\n' for s, t in PAIRS).encode()
SIDES = ["".join(f"{pair[side]}\n" for pair in PAIRS).encode() for side in (0, 1)]
PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, "": bytes}


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize(("name", "content"), [("a.tsv", TABLE), ("a.jsonl", JSON), ("a", JSON)])
def test_compressed_files(tmp_path, suffix, name, content):
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(PACK[suffix](content))
    assert pairs(path) == PAIRS
    assert pairs(f"hf:{path}") == PAIRS
    assert not has_splits(f"hf:{path}")


@pytest.mark.parametrize("suffix", PACK)
def test_compression_is_known_without_its_suffix(tmp_path, suffix):
    (tmp_path / "a").write_bytes(PACK[suffix](TABLE))
    assert pairs(tmp_path / "a") == PAIRS


def pipe(path, content):
    """A named pipe, written to once."""
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    return str(path)


@pytest.mark.parametrize("suffix", PACK)
def test_a_pipe_is_read_as_often_as_a_file(tmp_path, suffix):
    spec = pipe(tmp_path / "pipe", PACK[suffix](TABLE))
    data = DataConfig(corpus=spec)
    training, validation = load_corpus(data)
    assert len(training) + len(validation) == 60
    assert PairStream(data).validation.source == validation.source
    assert pairs(spec) == PAIRS


def test_two_pipes(tmp_path):
    names = [pipe(tmp_path / name, side) for name, side in zip("ab", SIDES, strict=True)]
    assert pairs(",".join(names)) == PAIRS


def test_a_pipe_is_refused_where_several_processes_would_read_it(tmp_path, monkeypatch):
    path = tmp_path / "pipe"
    os.mkfifo(path)  # nobody writes: reading would wait for ever
    monkeypatch.setenv("WORLD_SIZE", "4")
    for spec in (str(path), f"{path},{path}"):
        with pytest.raises(CorpusError, match="only one of this run's 4 processes could read"):
            read_pairs(spec)
    with pytest.raises(CorpusError, match="pipe of the process that started this one"):
        read_pairs("/dev/fd/987")
    (tmp_path / "a.tsv").write_bytes(TABLE)
    assert pairs(tmp_path / "a.tsv") == PAIRS


def test_an_empty_pipe(tmp_path):
    with pytest.raises(CorpusError, match="pipe' is empty"):
        read_pairs(pipe(tmp_path / "pipe", b""))


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "members",
    [
        {"pairs.tsv": TABLE},
        {"README": b"About it.", "LICENSE.txt": b"Free.", "data/pairs.jsonl": JSON},
        {
            "News.de-en.de": SIDES[1],
            "News.de-en.en": SIDES[0],
            "README": b"",
            "News.de-en.xml": b"",
        },
        {"set.de.txt": SIDES[1], "set.en.txt": SIDES[0]},
        {"train/german.txt": SIDES[1], "train/english.txt": SIDES[0], "__MACOSX/x": b""},
        {"a.tgt": SIDES[1], "a.src": SIDES[0]},
    ],
)
def test_archives_of_one_file_or_of_two(tmp_path, members):
    assert pairs(archive(tmp_path / "a.zip", members)) == PAIRS


def test_an_archive_with_others(tmp_path):
    path = archive(tmp_path / "a.zip", {"a.fr": b"x", "a.en": b"y", "b.txt": b""})
    with pytest.raises(
        CorpusError, match="a.zip' holds a.fr, a.en, b.txt, and not one file of pair"
    ):
        read_pairs(str(path))
    bad = archive(tmp_path / "b.zip", {"in.tsv": b"a\tb\nc\n"})
    with pytest.raises(CorpusError, match=r"b.zip' \(in.tsv\): line 2 has 1 column"):
        read_pairs(str(bad))
    (tmp_path / "c.zip").write_bytes(path.read_bytes()[:40])
    with pytest.raises(CorpusError, match="c.zip' is damaged, or no .zip file"):
        read_pairs(str(tmp_path / "c.zip"))


def test_sides_that_are_named_the_other_way_round(tmp_path):
    for name, side in zip(("a.de", "a.en"), SIDES, strict=True):
        (tmp_path / name).write_bytes(side)
    corpus = read_pairs(f"{tmp_path}/a.de,{tmp_path}/a.en")
    assert corpus.source == [pair[0] for pair in PAIRS]
    assert "though the languages are en and de" in corpus.notes[0]


def test_columns_of_what_has_none_are_said(tmp_path):
    (tmp_path / "a.tmx").write_text(
        '<tmx><tu><tuv lang="en"><seg>a</seg></tuv><tuv lang="de"><seg>b</seg></tuv></tu></tmx>'
    )
    members = {"a.en": SIDES[0], "a.de": SIDES[1]}
    for path in (tmp_path / "a.tmx", archive(tmp_path / "a.zip", members)):
        corpus = read_pairs(str(path), columns="2,1")
        assert corpus.notes == (f"{str(path)!r} has no columns, so --columns does not apply to it",)


OFFICE = {"[Content_Types].xml": b"<x/>"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", {**OFFICE, "xl/workbook.xml": b""}, r"an Excel workbook: save it as CSV"),
        ("a.docx", {**OFFICE, "word/document.xml": b""}, "a Word document"),
        ("a.ods", {"mimetype": b"", "content.xml": b""}, "an OpenDocument file"),
        ("a.xls", b"\xd0\xcf\x11\xe0 ...", "an old Office file"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\n", "a PDF"),
        ("a.tsv", b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page: .*download"),
        ("a.xlf", b"<?xml version='1.0'?>\n<xliff version='1.2'/>", "XLIFF: convert it"),
        ("a.xml", b"<?xml version='1.0'?>\n<rows/>", "XML, and no TMX"),
        ("a.html", b'<table border="1">', "an HTML page"),
        ("a.pkl", b"\x80\5\x95....", "a pickle, which is never opened"),
        ("a.sgm", b'<srcset setid="x" srclang="any">', "WMT's SGML"),
        ("a.numbers", {"Index/Document.iwa": b""}, "a Numbers or Pages document"),
        ("a.db", b"SQLite format 3\0....", "an SQLite database: .*sqlite3 -csv"),
        ("a.tsv.zst", b"\x28\xb5\x2f\xfd....", "compressed with zstd: .*zstd -d"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c..", "a 7z archive"),
        (
            "a.tar.gz",
            gzip.compress(b"a.tsv".ljust(257, b"\0") + b"ustar\0", mtime=0),
            "a tar archive: .*tar -x",
        ),
        ("a.gz", gzip.compress(gzip.compress(TABLE, mtime=0), mtime=0), "compressed twice"),
        (
            "a.tsv",
            b"version https://git-lfs.github.com/spec/v1\noid",
            "a pointer of Git LFS, .*git lfs pull",
        ),
        ("a.txt", TABLE.decode().encode("utf-16"), "UTF-16: .*iconv -f UTF-16 -t UTF-8"),
        ("a.txt", TABLE.decode().encode("utf-16-le"), "UTF-16LE: .*iconv -f UTF-16LE"),
        ("a.csv", TABLE.decode().encode("utf-32"), "UTF-32"),
        (
            "a.txt",
            TABLE.replace(b"\n", b"\r"),
            "text whose lines end in CR alone: convert it with tr",
        ),
    ],
)
def test_files_of_other_formats_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, dict):
        archive(path, content)
    else:
        path.write_bytes(content)
    with pytest.raises(CorpusError, match=f"{name}' is {message}"):
        read_pairs(str(path))
