"""``npformer translate``: lines and paragraphs, and what it says of a text that it cannot read."""

from __future__ import annotations

import io
import sys

import pytest


def translated(npformer, trained, path, text, *words):
    path.write_text(text, encoding="utf-8")
    return npformer("translate", trained, "--file", path, "--beam", 1, *words)


def test_every_line_is_one_line(npformer, trained, tmp_path):
    text = "7 dogs\n8 cats\n\n3 trees\n"
    ended = translated(npformer, trained, tmp_path / "a.txt", text, "--lines")
    assert ended.status == 0
    assert (
        ended.err.startswith(f"npformer: translated by {trained}/") and ended.err.count("\n") == 1
    )
    rows = ended.out.split("\n")
    assert (len(rows), rows[2], rows[4]) == (5, "", "")
    assert all(rows[number] for number in (0, 1, 3))


def test_lines_and_wrapped_exclude_each_other(refused, trained):
    line = refused("translate", trained, "7 dogs", "--lines", "--wrapped")
    assert "give one of them" in line


def test_a_line_that_is_too_long_is_named_and_the_rest_is_translated(npformer, trained, tmp_path):
    path = tmp_path / "long.txt"
    ended = translated(npformer, trained, path, "7 dogs.\n" + "cats " * 9 + "\n8 trees.\n")
    assert ended.status == 2
    rows = ended.out.split("\n")
    assert (len(rows), rows[1]) == (4, "")
    assert all(rows[number] for number in (0, 2))
    assert ended.err.count("\n") == 1
    assert f"1 sentence of {path} longer than the 24 tokens" in ended.err
    assert "line 2 (45 tokens)" in ended.err


def test_many_lines_that_are_too_long_make_one_line(npformer, trained, tmp_path):
    text = "7 dogs.\n" + ("cats " * 9 + "\n") * 30
    ended = translated(npformer, trained, tmp_path / "long.txt", text)
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert "30 sentences" in ended.err
    assert "line 9 (45 tokens) and 22 more" in ended.err


def test_unknown_characters_are_mentioned_once(npformer, trained):
    ended = npformer("translate", trained, "7 dogs 漢字. 8 漢.", "--beam", 1)
    assert ended.status == 0
    assert ended.out.strip()
    assert ended.err.startswith(
        "npformer: 3 characters of the text are not in the model's vocabulary: '字', '漢'; it "
        "reads each as unknown\nnpformer: translated by "
    )


@pytest.mark.parametrize("name", ["ascii", "latin-1"])
def test_a_translation_that_cannot_be_written(refused, trained, monkeypatch, name):
    monkeypatch.setattr("npformer.decode.Translator.translate_sentences", lambda *a, **k: ["žů"])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=name))
    line = refused("translate", trained, "7 dogs.")
    assert f"standard output is {name}, which has no '\\u017e'" in line
    assert "PYTHONIOENCODING=utf-8" in line
    assert written.getvalue() == b""


@pytest.mark.parametrize("command", ["evaluate", "exercise"])
def test_a_report_that_cannot_be_written_has_escapes(
    npformer, trained, tmp_path, monkeypatch, command
):
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    if command == "evaluate":
        pairs = tmp_path / "pairs.tsv"
        pairs.write_text("7 trees.\t7 Bäume.\n8 trees.\t8 Bäume.\n", encoding="utf-8")
        ended = npformer("evaluate", trained, "--corpus", pairs, "--samples", 1)
    else:
        ended = npformer("exercise", "progress", "--folder", tmp_path / "Übungen")
    out.flush()
    assert ended.status == 0
    assert (b"\\xe4" if command == "evaluate" else b"\\xdc") in written.getvalue()
    assert "written as escapes: standard output is ascii" in ended.err
    assert ended.err.count("\n") == 1
    assert out.errors == "strict"
