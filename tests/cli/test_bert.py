"""An encoder alone through the commands: what it cannot do is refused in one line."""

from __future__ import annotations


def test_it_has_no_source_to_read_and_no_text_to_go_on_with(refused, npformer, corpus, tmp_path):
    run = tmp_path / "run"
    options = ("--model.d-model", 16, "--model.heads", 2, "--model.layers", 1, "--updates", 1,
               "--max-length", 24, "--batch-tokens", 200, "--corpus", corpus)  # fmt: skip
    ended = npformer("train", run, "--model", "bert", *options)
    assert ended.status == 0, ended.err
    assert "reads no source" in refused("translate", run, "A dog.")
    assert f'npformer fill {run} "Some [MASK]."' in refused("generate", run, "A dog.")
    assert "no [MASK]" in refused("fill", run, "A dog.")
    assert "--pack" in refused("train", tmp_path / "other", "--model", "bert", *options, "--pack")
    assert not (tmp_path / "other" / "checkpoints").exists()


def test_what_predicts_the_next_token_fills_nothing_in(refused, trained):
    assert "predicts no hidden tokens" in refused("fill", trained, "[MASK]")
