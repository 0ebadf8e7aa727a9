"""`npformer shard`: make, go on, verify, and train on what it made."""

from __future__ import annotations

import pytest

from npformer.train import make_shards as module
from tests.cli.conftest import SMALL

SETTINGS = ("--max-length", 24, "--tokenizer", "char")


@pytest.fixture
def shards(npformer, tmp_path, corpus):
    ended = npformer("shard", tmp_path / "shards", "--corpus", corpus, *SETTINGS)
    assert ended.status == 0
    assert "29 pairs of 30 rows (1 held out for validation)" in ended.out
    assert " 1 shard, 0.0 MB" in ended.out
    return tmp_path / "shards"


def test_shards_are_made_verified_and_trained_on(npformer, shards, tmp_path, corpus):
    ended = npformer("shard", shards, "--verify")
    assert (ended.status, ended.out) == (0, "4 files, 0.0 MB: every sha256 is right\n")
    ended = npformer("train", tmp_path / "run", "--corpus", corpus, *SMALL, "--shards", shards)
    assert ended.status == 0
    assert f"in {shards}" in ended.out


def test_a_directory_alone_goes_on_with_its_own_settings(npformer, tmp_path, corpus, monkeypatch):
    def full(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "tokenize_rows", full)
        ended = npformer("shard", tmp_path / "begun", "--corpus", corpus, *SETTINGS)
    assert (ended.status, ended.err) == (130, "npformer: interrupted\n")
    assert npformer("shard", tmp_path / "begun", "--verify").status == 2
    ended = npformer("shard", tmp_path / "begun")
    assert ended.status == 0
    assert "29 pairs of 30 rows" in ended.out


def test_damage_is_named_and_repaired(npformer, refused, shards):
    path = shards / "ids-00000.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"??")
    assert "ids-00000.npy is damaged: its sha256" in refused("shard", shards, "--verify")
    assert npformer("shard", shards).status == 0
    assert path.read_bytes() == whole


def test_what_cannot_be(refused, shards, tmp_path, corpus):
    assert "made with --max-length 24, not 30" in refused("shard", shards, "--max-length", 30)
    assert "--corpus" in refused("shard", shards, "--preset", "tiny")
    assert "holds no shards" in refused("shard", tmp_path / "none", "--verify")
    assert "there is no file" in refused("shard", tmp_path / "new", "--corpus", "none.tsv")
    message = refused("train", tmp_path / "run", "--corpus", corpus, "--shards", shards)
    assert "the shards in" in message
    assert "did you mean '--corpus'" in refused("shard", tmp_path / "new", "--corpsu", corpus)
