"""What the commands say of a corpus, and ``--columns``."""

from __future__ import annotations

import pytest

from npformer.text.shard_manifest import MANIFEST, read_manifest
from tests.cli.conftest import PAIRS, SMALL


@pytest.fixture
def export(tmp_path):
    """The pairs of ``corpus`` as a database exports them."""
    path = tmp_path / "export.tsv"
    rows = [f"{700 + n}\t{s}\t{900 + n}\t{t}\t{tag}\n" for n, (s, t, tag) in enumerate(PAIRS)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


SETTINGS = ("--max-length", 24, "--tokenizer", "char")
FOUND = "source is column 2, target is column 4; passed over: 1 (numbers), 3 (numbers)"


def test_training_and_shards_say_what_they_took(npformer, tmp_path, export):
    ended = npformer("train", tmp_path / "run", "--corpus", export, *SMALL)
    assert (ended.status, ended.out.count(FOUND)) == (0, 1)
    ended = npformer("shard", tmp_path / "shards", "--corpus", export, *SETTINGS)
    assert (ended.status, ended.out.count(FOUND)) == (0, 1)
    shards = ("--shards", tmp_path / "shards")
    ended = npformer("train", tmp_path / "other", "--corpus", export, *SMALL, *shards)
    assert (ended.status, FOUND in ended.out) == (0, False)  # the corpus is not read


def test_evaluate_says_it_and_has_a_row_for_each_label(npformer, refused, trained, export):
    search = ("--beam", 1, "--samples", 0)
    ended = npformer("evaluate", trained, "--corpus", export, *search)
    assert (ended.status, ended.err.count(FOUND)) == (0, 1)
    assert all(tag in ended.out for tag in ("dogs", "cats", "trees"))
    ended = npformer("evaluate", trained, "--corpus", export, "--columns", "2,4", *search)
    assert (ended.err, "dogs" in ended.out) == ("", False)
    assert "are those of --corpus" in refused("evaluate", trained, "--columns", "2,4")


def test_labels_that_are_too_many_for_a_table(npformer, trained, tmp_path):
    path = tmp_path / "many.tsv"
    rows = [f"{s}\t{t}\tpart {n // 2}\n" for n, (s, t, _) in enumerate(PAIRS * 2)]
    path.write_text("".join(rows), encoding="utf-8")
    report = tmp_path / "scores.json"
    ended = npformer("evaluate", trained, "--corpus", path, "--beam", 1, "--json", report)
    assert ended.out.count(" part ") == 20
    assert "and 10 labels of fewer pairs; --json has them all" in ended.out
    assert report.read_text("utf-8").count('"part ') == 30


def test_a_corpus_that_was_wrong_leaves_its_settings_free(npformer, refused, tmp_path, export):
    shards = ("shard", tmp_path / "shards", "--corpus", export, *SETTINGS)
    assert "has no column '7'; it has 1, 2, 3, 4, 5" in refused(*shards, "--columns", "1,7")
    assert npformer(*shards, "--columns", "2,4").status == 0
    line = refused("train", tmp_path / "run", "--corpus", export, *SMALL, "--shards", shards[1])
    assert "made with --columns '2,4', not ''" in line


def test_shards_made_before_there_were_columns(npformer, tmp_path, corpus):
    directory = tmp_path / "shards"
    settings = ("--corpus", corpus, *SMALL)
    assert npformer("shard", directory, *settings[:2], *SETTINGS).status == 0
    manifest = read_manifest(directory)
    del manifest.data["columns"]
    (directory / MANIFEST).write_bytes(manifest.to_bytes())
    assert npformer("train", tmp_path / "run", *settings, "--shards", directory).status == 0
