"""A published model as a run: loaded, read by every command, exported, loaded by the library."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers

from npformer.pretrained import from_pretrained
from npformer.train.engines import load_model
from tests.pretrained import library


@pytest.fixture(scope="module")
def run(published, tmp_path_factory):
    from npformer.cli.main import main

    path = tmp_path_factory.mktemp("runs") / "llama"
    assert main(["load", str(published("llama")[1]), str(path)]) == 0
    return path


def test_a_run_is_the_model_and_its_tokenizer(published, run):
    loaded = load_model(run)
    found = from_pretrained(published("llama")[1])
    for path, weight in found.model.state_dict().items():
        assert np.array_equal(weight, loaded.model.state_dict()[path]), path
    assert loaded.tokenizer.prompt("w3 w4") == [1, 6, 7]
    assert loaded.tokenizer.decode([1, 6, 7, 0]) == "w3 w4"


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_it_goes_on_with_a_text_as_the_library_does(npformer, published, run, engine):
    options = ("--temperature", 0, "--max-length", 6, "--engine", engine)
    ended = npformer("generate", run, "w3 w4", *options, "--json", "-")
    assert ended.status == 0, ended.err
    (text,) = json.loads(ended.out)["texts"]
    model = published("llama")[0]
    (added,) = library.greedy(model, np.array([[1, 6, 7]]), 6)
    added = added[: added.index(0)] if 0 in added else added
    assert text == load_model(run).tokenizer.decode([6, 7, *added])


def test_every_command_reads_it(npformer, run, tmp_path):
    for words in (
        ("attention", run, "w3 w4 w5", "--out", tmp_path / "maps"),
        ("explore", "--checkpoint", run, "--text", "w3 w4 w5", "--out", tmp_path / "page.html"),
        ("bisect", "--checkpoint", run, "--text", "w3 w4 w5"),
    ):
        ended = npformer(*words)
        assert ended.status == 0, ended.err


def test_what_is_exported_is_the_librarys_again(npformer, published, run, tmp_path):
    ended = npformer("export", run, tmp_path / "again")
    assert ended.status == 0, ended.err
    ids = np.arange(12).reshape(1, 12) % 43
    model, directory = published("llama")
    again = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "again", dtype=torch.float32
    )
    first = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    with torch.no_grad():
        logits = [each(torch.from_numpy(ids)).logits for each in (first, again)]
    assert torch.equal(*logits)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    assert tokenizer("w3 w4").input_ids == [1, 6, 7]


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("name", ["llama", "llama-tied-biased"])
def test_a_text_is_foretold_as_by_the_library(npformer, published, tmp_path, name, engine):
    """Each token after the one that begins a text; nothing is asked after the last."""
    model, directory = published(name)
    assert npformer("load", directory, tmp_path / "run").status == 0
    rows = [[6, 7, 8], [9, 4, 5], [10, 11, 12, 13, 14]]
    words = "\n".join(" ".join(f"w{i - 3}" for i in row) for row in rows)
    (tmp_path / "texts.txt").write_text(words + "\n")
    options = ("--corpus", tmp_path / "texts.txt", "--engine", engine, "--json", "-")
    ended = npformer("evaluate", tmp_path / "run", *options)
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    nats = 0.0
    with library.exact(), torch.no_grad():
        for row in rows:
            logits = model(torch.tensor([[1, *row[:-1]]])).logits[0]
            nats += torch.nn.functional.cross_entropy(
                logits, torch.tensor(row), reduction="sum"
            ).item()
    assert found["tokens"] == 11
    assert found["loss"] == pytest.approx(nats / 11, rel=1e-5)


def test_what_needs_a_corpus_or_a_directory_of_its_own_says_so(refused, run):
    assert "has no corpus of its own; name texts with --corpus" in refused("evaluate", run)
    assert "is a checkpoint by itself; train in another" in refused("train", run, "--updates", 1)
    assert "this model reads no source" in refused("translate", run, "w1")
