"""A language model through the commands: what reads no source is trained, looked into, refused."""

from __future__ import annotations

import json
import math

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
    assert "try          npformer generate" in ended.out
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


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_draft_changes_nothing_of_the_text(npformer, gpt, engine):
    arguments = ("generate", gpt, "3 H", "--temperature", 0, "--engine", engine)
    alone = npformer(*arguments)
    drafted = npformer(*arguments, "--draft", gpt, "--ahead", 3)
    assert drafted.status == 0, drafted.err
    assert drafted.out == alone.out
    assert "tokens of the draft were kept" in drafted.err
    figures = json.loads(npformer(*arguments, "--draft", gpt, "--json", "-").out)
    assert figures["proposed"] == figures["kept"]  # a draft of itself


def test_a_draft_of_another_kind_is_refused(refused, gpt, trained, npformer, tmp_path, corpus):
    assert "a draft is a language model" in refused("generate", gpt, "3", "--draft", trained)
    other = tmp_path / "other"
    changed = [{"char": "bpe", "2": "1"}.get(word, word) for word in GPT]
    assert npformer("train", other, "--corpus", corpus, *changed).status == 0
    assert "needs the same tokenizer" in refused("generate", gpt, "3", "--draft", other)
    assert "ahead is 0" in refused("generate", gpt, "3", "--draft", gpt, "--ahead", 0)


def test_it_cannot_translate(refused, gpt):
    assert "this model reads no source" in refused("translate", gpt, "3 dogs.")
    assert "leave --beam, --alpha out" in refused("evaluate", gpt, "--beam", 2, "--alpha", 1)


def test_a_model_that_translates_does_not_go_on_with_a_text(refused, trained):
    assert "npformer translate" in refused("generate", trained, "3 dogs.")


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_text_goes_on(npformer, gpt, engine):
    words = ["generate", gpt, "3 Hu", "--samples", 3, "--max-length", 5, "--engine", engine]
    ended = npformer(*words, "--quiet")
    assert ended.status == 0, ended.err
    texts = ended.out.removesuffix("\n").split("\n\n")
    assert len(texts) == 3
    assert all(text.startswith("3 Hu") and len(text) <= 9 for text in texts)
    assert npformer(*words, "--quiet").out == ended.out
    assert npformer(*words, "--seed", 1).out != ended.out


def test_what_goes_on_is_written_as_json(npformer, gpt):
    ended = npformer("generate", gpt, "3 H", "--temperature", 0, "--max-length", 2, "--json", "-")
    figures = json.loads(ended.out)
    assert (figures["command"], figures["prompt"], figures["seed"]) == ("generate", "3 H", 0)
    assert figures["texts"][0].startswith("3 H")
    assert figures["tokens"][0] <= 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["3", "--temperature", -1], "temperature is -1.0; it must be 0 or more"),
        (["3", "--samples", 0], "samples is 0; it must be 1 or more"),
        (["3", "--max-length", 0], "max_length is 0; it must be 1 or more"),
        (["3", "--top-p", 2], "top_p is 2.0; it must be in (0, 1]"),
        (["3 Hunde. " * 4], "the prompt has 37 tokens, what begins a text among them; the model"),
        (["Ω"], "the model's char vocabulary has no 'Ω'"),
    ],
)
def test_what_cannot_go_on_is_refused(refused, gpt, words, said):
    assert said in refused("generate", gpt, *words)


def test_bits_per_byte_are_the_loss_of_the_text(npformer, gpt):
    """Of a vocabulary of characters that are a byte each but ä, bits and nats are two units."""
    by_hand, twin = (
        json.loads(npformer("evaluate", gpt, "--engine", engine, "--json", "-").out)
        for engine in ("numpy", "torch")
    )
    assert by_hand["tokens"] == twin["tokens"]
    assert by_hand["loss"] == pytest.approx(twin["loss"], rel=1e-5)
    bits = by_hand["loss"] * by_hand["tokens"] / math.log(2)
    assert by_hand["bits_per_byte"] == pytest.approx(bits / by_hand["bytes"])
    assert by_hand["perplexity"] == pytest.approx(math.exp(by_hand["loss"]))
    # Adam's first two updates cannot have taught it much: about as many choices as characters.
    assert 2 < by_hand["perplexity"] < 60


def test_a_plain_text_is_a_corpus(npformer, refused, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{a}{b}{c}\n" for a in "klm" for b in "aeo" for c in "nrs"))
    ended = npformer("train", tmp_path / "run", "--corpus", path, *GPT)
    assert ended.status == 0, ended.err
    assert "is plain text, in which each line is a document" in ended.out
    assert "26 training pieces, 1 validation document" in ended.out
    assert npformer("evaluate", tmp_path / "run", "--corpus", path).status == 0
    pairs = ["--model", "transformer"]
    assert "plain text is for a model without a source" in refused(
        "train", tmp_path / "other", "--corpus", path, *pairs
    )
    shards = ["--shards", tmp_path / "shards"]
    assert "leave --shards out" in refused(
        "train", tmp_path / "other", "--corpus", path, *GPT, *shards
    )


def test_a_run_is_resumed_with_the_options_of_its_own_family(refused, gpt):
    assert "model.window = None, not 4" in refused("train", gpt, "--resume", "--model.window", 4)
    assert "leave --model out" in refused("train", gpt, "--resume", "--model", "transformer")
