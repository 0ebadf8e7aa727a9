"""``npformer explore``: the page it writes, and what it refuses without leaving anything behind."""

from __future__ import annotations

import builtins
import json
import re
import shutil
from pathlib import Path

import pytest

from npformer.files import atomic


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch) -> Path:
    """Each test in an empty directory of its own."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def data_of(path: Path) -> dict:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S
    )
    assert found
    return json.loads(found[1])


def explore(trained, text="7 dogs.", *more: object) -> tuple[object, ...]:
    return ("explore", "--checkpoint", trained, "--text", text, *more)


def test_the_page_of_a_given_translation_with_errors(npformer, trained, directory):
    pytest.importorskip("torch")
    ended = npformer(*explore(trained, "7 dogs.", "--target", "7 Hunde."))
    assert ended.status == 0, ended
    assert ended.err == ""
    assert "7 dogs.\n7 Hunde.\n" in ended.out
    assert "explorer.html" in ended.out
    assert "The loss is against the translation given." in ended.out
    data = data_of(directory / "explorer.html")
    assert data["sentence"]["target"]["written"] == [*"7", "▁", *"Hunde.", "<eos>"]
    assert data["measured"]
    assert data["against"] == "the translation given"
    worst = max(max(node["error"]) for node in data["calls"])
    assert 0 < worst <= 4
    assert [path.name for path in directory.iterdir()] == ["explorer.html"]


def test_the_models_own_translation_is_the_target(npformer, trained, directory, monkeypatch):
    monkeypatch.setattr(
        "npformer.cli.reading.Translator.translate_sentences", lambda self, texts: ["9 Bäume."]
    )
    ended = npformer(*explore(trained, "9 trees.", "--out", "trees.html"))
    assert ended.status == 0
    assert "The loss is against the model's own translation" in ended.out
    data = data_of(directory / "trees.html")
    assert data["sentence"]["target"]["text"] == "9 Bäume."
    assert data["against"].startswith("the model's own translation")


def test_without_pytorch_the_page_says_so(npformer, trained, directory, monkeypatch):
    ordinary = builtins.__import__

    def without_torch(name, *arguments, **options):
        if name == "torch" or name.startswith(("torch.", "torch_ref", "npformer.verify")):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return ordinary(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    ended = npformer(*explore(trained, "7 dogs.", "--target", "7 Hunde."))
    assert ended.status == 0, ended
    assert "pip install -e '.[verify]'" in ended.out
    data = data_of(directory / "explorer.html")
    assert not data["measured"]
    assert all(node["error"] is None for node in data["calls"])


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("", [], "the text is empty"),
        ("7 dogs.", ["--target", " "], "the target is empty"),
        ("dogs " * 20, [], "has 101 tokens with its end token; the model takes 24 at most"),
        ("7 dogs.", ["--target", "Hunde" * 9], "the target has 46 tokens"),
        ("7 dogs 漢字.", [], "'字', '漢'"),
        ("7 dogs.", ["--target", "7 漢."], "'漢'"),
        ("7 dogs.", ["--target", "7 Hunde.", "--out", "no/such/page.html"], "no/such"),
        ("7 dogs.", ["--target", "7 Hunde.", "--out", "."], "is a directory"),
        ("7 dogs.", ["--targte", "x"], "did you mean '--target'?"),
    ],
    ids=["empty", "no-target", "long", "long-target", "characters", "target-characters",
         "no-directory", "directory", "typo"],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_written(
    refused, trained, directory, text, more, said
):
    assert said in refused(*explore(trained, text, *more))
    assert not list(directory.iterdir())


def test_a_checkpoint_without_its_tokenizer(refused, trained, tmp_path, directory):
    copy = Path(shutil.copytree(trained / "averaged", tmp_path / "checkpoint"))
    (copy / "tokenizer.json").unlink()
    assert "lacks its tokenizer.json" in refused(*explore(copy))
    assert "does not exist" in refused(*explore(tmp_path / "no-such-run"))
    assert not list(directory.iterdir())


def test_a_full_disk_leaves_the_older_page_as_it_was(refused, trained, directory, monkeypatch):
    page = directory / "explorer.html"
    page.write_text("older")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    line = refused(*explore(trained, "7 dogs.", "--target", "7 Hunde."))
    assert "cannot write explorer.html: No space left" in line
    assert page.read_text() == "older"
    assert list(directory.iterdir()) == [page]
