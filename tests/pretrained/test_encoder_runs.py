"""Loaded encoders and encoder-decoders as runs: vectors, translations, other commands, export."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers

from npformer.cli.main import main
from npformer.errors import ConfigError
from npformer.pretrained import from_pretrained
from npformer.pretrained.sentence_vectors import sentence_vectors
from npformer.train.engines import load_model
from tests.pretrained import library

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_N", "type": "sentence_transformers.models.Normalize"},
]
FILES = {
    "modules.json": json.dumps(MODULES).encode(),
    "1_Pooling/config.json": b'{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}',
}


@pytest.fixture(scope="module")
def runs(published, tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("runs") / name
            assert main(["load", str(published(name)[1]), str(made[name])]) == 0
        return made[name]

    return make


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_embed_gives_the_librarys_means(npformer, published, runs, tmp_path, engine):
    texts = ["w3 w4 w5", "w6"]
    options = ("--engine", engine)
    ended = npformer("embed", runs("minilm"), *texts, *options)
    assert ended.status == 0, ended.err
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["text"] for each in found] == texts
    model = published("minilm")[0]
    for each, ids in zip(found, ([1, 6, 7, 8], [1, 9]), strict=True):
        with library.exact(), torch.no_grad():
            (states,) = model(torch.tensor([ids])).last_hidden_state
        mean = states.mean(0)
        np.testing.assert_allclose(each["vector"], mean / mean.norm(), atol=1e-5)
    lines = tmp_path / "texts.txt"
    lines.write_text("\n".join(texts) + "\n")
    ended = npformer(
        "embed", runs("minilm"), "--file", lines, "--out", tmp_path / "v.npy", *options
    )
    assert ended.status == 0, ended.err
    np.testing.assert_allclose(
        np.load(tmp_path / "v.npy"), [each["vector"] for each in found], atol=1e-7
    )


def test_what_embed_cannot_do_is_said_in_one_line(refused, runs, tmp_path):
    assert "give texts on the command line" in refused("embed", runs("minilm"))
    long = " ".join(["w3"] * 40)
    assert "41 tokens with those around it" in refused("embed", runs("minilm"), long)
    assert "gives no vectors of texts" in refused("embed", runs("llama"), "w3")
    assert "npformer embed" in refused("generate", runs("minilm"), "w3")
    assert "npformer bisect" in refused(
        "explore", "--checkpoint", runs("minilm"), "--text", "w3", "--out", tmp_path / "x.html"
    )


def test_pooling_is_what_the_source_says(published, tmp_path):
    assert sentence_vectors({}) == {}
    assert sentence_vectors(FILES) == {"unit_vectors": True, "pooling": "cls"}
    bare = {**FILES, "modules.json": json.dumps(MODULES[:2]).encode()}
    assert sentence_vectors(bare)["unit_vectors"] is False
    for config in (b'{"pooling_mode_max_tokens": true}', b"{}", b"[", b"3"):
        with pytest.raises(ConfigError, match="pool|understood"):
            sentence_vectors({**FILES, "1_Pooling/config.json": config})
    dense = [*MODULES, {"path": "3", "type": "sentence_transformers.models.Dense"}]
    with pytest.raises(ConfigError, match="has a module Dense"):
        sentence_vectors({"modules.json": json.dumps(dense).encode()})


def test_a_model_of_vectors_is_drawn_and_bisected(npformer, runs, tmp_path):
    for words in (
        ("attention", runs("minilm"), "w3 w4 w5", "--out", tmp_path / "maps"),
        ("bisect", "--checkpoint", runs("minilm"), "--text", "w3 w4 w5"),
    ):
        ended = npformer(*words)
        assert ended.status == 0, ended.err
        assert "a random direction" in ended.out


@pytest.mark.parametrize("name", ["bert", "marian"])
def test_every_command_reads_it(npformer, runs, tmp_path, name):
    pair = ("--target", "w6 w7 w8") if name == "marian" else ()
    for words in (
        ("attention", runs(name), "w3 w4 w5", "--out", tmp_path / "maps", *pair),
        ("explore", "--checkpoint", runs(name), "--text", "w3 w4 w5", *pair,
         "--out", tmp_path / "page.html"),
        ("bisect", "--checkpoint", runs(name), "--text", "w3 w4 w5", *pair),
    ):  # fmt: skip
        ended = npformer(*words)
        assert ended.status == 0, ended.err


def forced(published, tmp_path, name):
    """A run of a model whose files say that what it writes begins with id 5."""
    source = tmp_path / "source"
    shutil.copytree(published(name)[1], source)
    path = source / "generation_config.json"
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(said | {"forced_bos_token_id": 5}))
    assert main(["load", str(source), str(tmp_path / "run")]) == 0
    return tmp_path / "run"


def test_a_language_that_no_file_names_is_asked_for(refused, runs):
    assert "forced_bos_token_id" in refused("translate", runs("m2m_100"), "w3")


@pytest.mark.parametrize("first", [None, 5])
@pytest.mark.parametrize("name", ["marian", "t5", "bart", "m2m_100"])
def test_translate_is_greedy_as_the_library_is(npformer, published, runs, tmp_path, name, first):
    if (name, first) == ("m2m_100", None):
        return  # see above
    run = forced(published, tmp_path, name) if first else runs(name)
    ended = npformer("translate", run, "w3 w4 w9", "--beam", 1, "--quiet")
    assert ended.status == 0, ended.err
    model = published(name)[0]
    tokenizer = load_model(run).tokenizer
    ids = tokenizer.source(tokenizer.encode("w3 w4 w9"))
    padding, start = model.config.pad_token_id, model.config.decoder_start_token_id
    end = model.config.eos_token_id
    banned = sorted({padding, padding if first else start} - {end})
    longest = min(len(ids) + 50 + bool(first), model_length(run))
    with library.exact(), torch.no_grad():
        (written,) = model.generate(
            torch.tensor([ids]),
            do_sample=False,
            num_beams=1,
            suppress_tokens=banned,
            bad_words_ids=[[first]] if first else None,
            forced_bos_token_id=first,
            forced_eos_token_id=None,
            max_new_tokens=longest,
        ).tolist()
    written = written[2 if first else 1 :]
    written = written[: written.index(end)] if end in written else written
    assert ended.out.strip() == tokenizer.decode(written).strip()


def model_length(run):
    return load_model(run).model.config.max_length


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bert", "AutoModelForMaskedLM"),
        ("minilm", "AutoModel"),
        ("roberta", "AutoModelForMaskedLM"),
        ("modernbert", "AutoModelForMaskedLM"),
        ("t5", "AutoModelForSeq2SeqLM"),
        ("t5-1.1", "AutoModelForSeq2SeqLM"),
        ("bart", "AutoModelForSeq2SeqLM"),
        ("marian", "AutoModelForSeq2SeqLM"),
        ("m2m_100", "AutoModelForSeq2SeqLM"),
    ],
)
def test_what_is_exported_is_the_librarys_again(npformer, published, runs, tmp_path, name, kind):
    ended = npformer("export", runs(name), tmp_path / "again")
    assert ended.status == 0, ended.err
    ids = torch.arange(3, 12)[None]
    inputs = {"input_ids": ids}
    if kind == "AutoModelForSeq2SeqLM":
        inputs["decoder_input_ids"] = ids
    outputs = []
    for path in (published(name)[1], tmp_path / "again"):
        model = getattr(transformers, kind).from_pretrained(path, dtype=torch.float32).eval()
        with torch.no_grad():
            outputs.append(model(**inputs)[0])
    assert torch.equal(*outputs)


def test_a_model_of_two_vocabularies_has_two(published):
    found = from_pretrained(published("marian-two-vocabularies")[1])
    assert found.model.source_embedding.weight.data.shape == (45, 24)
    assert found.model.embedding.weight.data.shape == (43, 24)
