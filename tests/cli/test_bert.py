"""An encoder alone through the commands: what it cannot do is refused in one line."""

from __future__ import annotations


def test_it_is_not_trained(refused, corpus, tmp_path):
    said = refused("train", tmp_path / "run", "--corpus", corpus, "--model", "bert")
    assert "bert sees it; npformer load" in said
    assert not (tmp_path / "run").exists()
