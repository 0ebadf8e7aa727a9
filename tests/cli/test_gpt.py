"""A language model through the commands: what reads no source is trained, looked into, refused."""

from __future__ import annotations

import pytest

from npformer.cli.main import main

GPT = (
    *("--model", "gpt", "--model.d-model", "8", "--model.heads", "2", "--model.d-ff", "8"),
    *("--model.layers", "1", "--model.max-length", "24", "--max-length", "24"),
    *("--batch-tokens", "400", "--tokenizer", "char", "--updates", "2"),
)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory, corpus):
    run = tmp_path_factory.mktemp("runs") / "gpt"
    assert main(["train", str(run), "--corpus", str(corpus), *GPT]) == 0
    return run


def test_training_names_a_command_that_the_run_can_do(npformer, tmp_path, corpus):
    ended = npformer("train", tmp_path / "run", "--corpus", corpus, *GPT)
    assert ended.status == 0
    assert "try          npformer explore" in ended.out
    assert npformer("train", tmp_path / "run", "--resume", "--updates", 3).status == 0


def test_its_text_is_read_once(npformer, gpt, tmp_path):
    ended = npformer("attention", gpt, "3 Hunde.", "--out", tmp_path)
    assert ended.status == 0, ended.err
    assert ended.out.split("\n", 1)[0] == "3 Hunde."
    assert ended.out.count("3 Hunde.") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.layers.0.self_attn.png"]
    ended = npformer("explore", "--checkpoint", gpt, "--text", "3 Hunde.", "--out", tmp_path / "x")
    assert ended.status == 0, ended.err
    assert ended.out.count("3 Hunde.") == 1


def test_a_bisection_says_target_for_what_it_embeds(npformer, gpt):
    ended = npformer("bisect", "--checkpoint", gpt, "--text", "3 Hunde.")
    assert ended.status == 0, ended.err
    assert "target embedded" in ended.out
    assert "source" not in ended.out


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_it_cannot_translate(refused, gpt, command):
    text = ["3 dogs."] if command == "translate" else ["--split", "validation"]
    assert "this model reads no source" in refused(command, gpt, *text)
