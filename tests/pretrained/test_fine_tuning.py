"""``train --from``: a published model or a run goes on as a new run, on both engines alike."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from npformer.config import AdapterConfig, DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.models.loss import NO_TARGET
from npformer.pretrained.beginning import read_beginning
from npformer.train.adapted import make_trained
from npformer.train.engines import load_model
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.prepare import prepare
from npformer.train.run_directory import load_checkpoint
from tests.pretrained import library
from torch_ref.train import TorchEngine

FROM = (
    "llama",
    "llama-tied-biased",
    "gpt2",
    "bert",
)  # the second pads with an id that texts have, 2
ADAPTERS = {
    "lora": AdapterConfig(lora=2, lora_targets="all"),
    "dora": AdapterConfig(lora=2, dora=True),
    "whole": AdapterConfig(),
}
SHORT = ("--max-length", 12, "--batch-tokens", 48, "--updates", 4, "--checkpoint-every", 2,
         "--validate-every", 2, "--optim.learning-rate", 0.02, "--optim.schedule", "constant",
         "--optim.warmup", 1, "--workers", 1)  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Texts of several lengths in words of the specimens' tokenizer."""
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    rng = np.random.default_rng(0)
    rows = [rng.integers(2, 39, rng.integers(2, 15)) for _ in range(40)]
    path.write_text("".join(" ".join(f"w{i}" for i in row) + "\n" for row in rows))
    return path


def prepared(directory, texts, adapters, **data):
    beginning = read_beginning(directory, "float64")
    config = RunConfig(
        model=beginning.config,
        optim=OptimConfig(schedule="constant", learning_rate=0.01),
        data=DataConfig(corpus=str(texts), max_length=12, batch_tokens=48, **data),
        train=TrainConfig(dtype="float64", workers=1),
        adapters=adapters,
    )
    return beginning, prepare(config, beginning.tokenizer)


@pytest.mark.parametrize("pack", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("adapters", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize("name", FROM)
def test_both_engines_begin_and_go_on_alike(published, texts, name, adapters, pack):
    if pack and name == "bert":
        pytest.skip("what sees a text whole has no other beside it")
    beginning, data = prepared(published(name)[1], texts, adapters, pack=pack)
    by_hand = NumpyEngine(data.config, weights=beginning.weights)
    before = {path: array.copy() for path, array in by_hand.model.state_dict().items()}
    twin = TorchEngine(data.config, weights=before, device="cpu")
    for path, array in beginning.weights.items():
        assert any(np.array_equal(array, other) for other in before.values()), path
    batches = [data.batches.batch(rows) for rows in data.batches.epoch(0)[:4]]
    for update, batch in enumerate(batches):
        for engine in (by_hand, twin):
            engine.gradients(batch, (0, update))
        for path, parameter in by_hand.model.named_parameters():
            assert (parameter.grad is not None) == parameter.trainable, path
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.tokens == expected.tokens == batch.tokens
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
    after, theirs = by_hand.state(), twin.state()
    assert after.keys() == theirs.keys()
    for path, array in after.items():
        np.testing.assert_allclose(array, theirs[path], rtol=1e-6, atol=1e-8, err_msg=path)
    for path, parameter in by_hand.model.named_parameters():
        if not parameter.trainable:
            assert np.array_equal(parameter.data, before[path]), path
    assert any(p.trainable for p in by_hand.model.parameters())
    assert all(p.trainable for p in by_hand.model.parameters()) == (adapters.lora == 0)


def test_an_encoder_learns_what_is_hidden(npformer, published, texts, tmp_path):
    """Under adapters, from the library's files and back into them, and in between fill reads it."""
    run, source = tmp_path / "run", published("bert")[1]
    ended = npformer("train", run, *SHORT, "--corpus", texts, "--from", source, "--lora", 2)
    assert ended.status == 0, ended.err
    assert npformer("fill", run, "w3 [MASK] w5").status == 0
    assert npformer("export", run, tmp_path / "again").status == 0
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(
        tmp_path / "again", dtype=torch.float32, attn_implementation="eager"
    )
    ids = np.array([[1, 7, 42, 5, 9]])
    with torch.no_grad():
        logits = theirs(torch.from_numpy(ids)).logits.numpy()
    ours = load_model(run).model.forward(ids)[0]
    np.testing.assert_allclose(ours, logits, rtol=1e-4, atol=1e-4)
    begun = np.asarray(read_beginning(source, "float32").weights["head_dense.weight"])
    assert np.array_equal(load_checkpoint(run)[0].weights["head_dense.weight"], begun)


@pytest.mark.parametrize("pack", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("name", ["llama", "llama-tied-biased", "phi3"])
def test_every_token_has_a_loss_and_padding_has_none(published, texts, name, pack):
    """Also the id that ends a text, and ids 0 and the model's own padding; the library's loss."""
    model, directory = published(name)
    beginning, data = prepared(directory, texts, AdapterConfig(), pack=pack)
    (end,) = beginning.tokenizer.last
    engine = NumpyEngine(data.config, weights=beginning.weights)
    batch = max((data.batches.batch(r) for r in data.batches.epoch(0)), key=lambda b: len(b))
    asked = batch.targets[batch.targets != NO_TARGET]
    assert asked.size == batch.tokens < batch.targets.size
    assert np.count_nonzero(asked == end) >= len(batch) - 1
    ids = {"target": np.array([[1, 5, 2, 0]]), "targets": np.array([[5, 2, 0, end]])}
    short = type(batch)({"target": ids["target"]}, ids["targets"], batch.no_target)
    loss, count = engine.evaluate(short)
    assert count == 4
    with torch.no_grad():
        logits = model(torch.from_numpy(ids["target"])).logits[0].double()
    expected = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(ids["targets"][0]), reduction="sum"
    )
    assert loss == pytest.approx(expected.item(), rel=1e-4)


def test_a_text_ends_with_what_the_model_ends_one_with(published, texts):
    beginning, data = prepared(published("llama")[1], texts, AdapterConfig())
    (end,) = beginning.tokenizer.last
    count = len(texts.read_text().splitlines())
    batches = [data.batches.batch(rows) for rows in data.batches.epoch(0)]
    ended = sum(np.count_nonzero(batch.targets == end) for batch in batches)
    assert ended + len(data.validation_corpus) == count


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_run_resumes_and_is_read_and_exported(npformer, published, texts, tmp_path, engine):
    run, straight, source = tmp_path / "run", tmp_path / "straight", published("llama")[1]
    more = ("--corpus", texts, "--lora", 2, "--lora-targets", "all", "--engine", engine)
    options = (*SHORT, *more, "--from", source)
    assert npformer("train", straight, *options).status == 0
    ended = npformer("train", run, *options, "--updates", 2)
    assert ended.status == 0, ended.err
    ended = npformer("train", run, "--resume", "--updates", 4)
    assert ended.status == 0, ended.err
    one, other = (load_checkpoint(path)[0] for path in (run, straight))
    assert one.notes["begun_from"] == str(source)
    assert one.notes["pretrained"] == other.notes["pretrained"]
    for path, array in one.weights.items():
        assert np.array_equal(array, other.weights[path]), path
    begun = read_beginning(source, "float32").weights
    wrapped = {path.replace(".linear.", "."): array for path, array in one.weights.items()}
    assert all(np.array_equal(array, wrapped[path]) for path, array in begun.items())
    assert npformer("generate", run, "w3 w4", "--engine", engine).status == 0
    assert npformer("evaluate", run, "--engine", engine).status == 0
    assert npformer("export", run, tmp_path / "again").status == 0
    ids = np.arange(10).reshape(1, 10)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "again", dtype=torch.float32, attn_implementation="eager"
    )
    with torch.no_grad():
        logits = theirs(torch.from_numpy(ids)).logits.numpy()
    ours = load_model(run).model.forward(ids)[0]
    np.testing.assert_allclose(ours, logits, rtol=1e-4, atol=1e-4)
    first = read_beginning(source, "float32")
    drawn = SimpleNamespace(model=first.config, train=TrainConfig(), adapters=AdapterConfig())
    untrained = make_trained(drawn, np.random.default_rng(0), first.weights).forward(ids)[0]
    assert not np.allclose(ours, untrained, rtol=1e-2, atol=1e-2)


def test_a_run_begins_with_a_run_its_adapters_merged(npformer, published, texts, tmp_path):
    loaded, first, second = (tmp_path / name for name in ("loaded", "first", "second"))
    assert npformer("load", published("gpt2")[1], loaded).status == 0
    options = (*SHORT, "--corpus", texts)
    ended = npformer("train", first, *options, "--from", loaded, "--lora", 2)
    assert ended.status == 0, ended.err
    still = ("--updates", 1, "--optim.learning-rate", 0)
    ended = npformer("train", second, *options, "--from", first, *still)
    assert ended.status == 0, ended.err
    before, after = load_model(first).model.state_dict(), load_model(second).model.state_dict()
    for path, array in before.items():
        np.testing.assert_allclose(after[path], array, rtol=1e-6, atol=1e-7, err_msg=path)
    assert npformer("export", second, tmp_path / "again").status == 0
    assert json.loads((tmp_path / "again" / "config.json").read_text())["model_type"] == "gpt2"


def test_a_run_that_translates_goes_on_with_its_own_tokenizer(npformer, trained, corpus, tmp_path):
    options = ("--max-length", 24, "--batch-tokens", 400, "--corpus", corpus, "--updates", 2)
    ended = npformer("train", tmp_path / "run", "--from", trained, *options)
    assert ended.status == 0, ended.err
    begun, run = load_model(trained), load_model(tmp_path / "run")
    assert run.tokenizer.to_bytes() == begun.tokenizer.to_bytes()
    assert run.config.model == begun.config.model
    assert npformer("translate", tmp_path / "run", "3 dogs.").status == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--model.layers", 3), "--model.layers"),
        (("--vocab-size", 999), "--vocab-size"),
        (("--tokenizer", "char"), "--tokenizer"),
        (("--model", "transformer"), "leave --model out"),
        (("--max-length", 99), "max_length"),
        (("--shards", "somewhere"), "--shards"),
    ],
)
def test_what_contradicts_the_source_is_refused_by_name(
    refused, published, texts, tmp_path, options, named
):
    source = ("--from", published("llama")[1], "--corpus", texts)
    assert named in refused("train", tmp_path / "run", *source, *options)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_source_that_cannot_be_trained_is_refused(refused, published, texts, tmp_path):
    run = ("train", tmp_path / "run", "--corpus", texts, "--max-length", 12, "--from")
    assert "no head that predicts tokens" in refused(*run, published("minilm")[1])
    assert "does not exist" in refused(*run, tmp_path / "nothing")
    assert "leave --from out" in refused(*run, published("llama")[1], "--resume")


def pairs_of(corpus, name):
    path = corpus / f"{name}.tsv"
    rng = np.random.default_rng(0)
    sides = ([" ".join(f"w{i}" for i in rng.integers(2, 39, rng.integers(2, 10))) for _ in "ab"]
             for _ in range(40))  # fmt: skip
    path.write_text("".join("\t".join(side) + "\n" for side in sides))
    return path


@pytest.mark.parametrize("adapters", [ADAPTERS["lora"], ADAPTERS["whole"]], ids=["lora", "whole"])
@pytest.mark.parametrize("name", ["t5", "t5-1.1", "bart", "marian", "m2m_100"])
def test_a_model_that_reads_a_source_is_trained_alike(published, tmp_path, name, adapters):
    """On both engines, and a batch is what the library makes of the same texts."""
    model, source = published(name)
    source = shutil.copytree(source, tmp_path / "told")
    path = source / "tokenizer.json"  # whose <s> is padding in some of these models
    words = json.loads(path.read_text())
    around = json.dumps(words["post_processor"]).replace('"<s>"', '"w0"').replace("[1]", "[3]")
    path.write_text(json.dumps(words | {"post_processor": json.loads(around)}))
    if name == "m2m_100":
        path = source / "generation_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"forced_bos_token_id": 5}))
    beginning, data = prepared(source, pairs_of(tmp_path, "pairs"), adapters)
    by_hand = NumpyEngine(data.config, weights=beginning.weights)
    before = {path: array.copy() for path, array in by_hand.model.state_dict().items()}
    twin = TorchEngine(data.config, weights=before, device="cpu")
    batches = [data.batches.batch(rows) for rows in data.batches.epoch(0)[:3]]
    if not adapters.lora:
        batch = max(batches, key=len)
        labels = torch.from_numpy(batch.targets)
        shown = torch.from_numpy((batch.inputs["source"] != model.config.pad_token_id) * 1)
        with library.exact(), torch.no_grad():
            theirs = model(
                input_ids=torch.from_numpy(batch.inputs["source"]), attention_mask=shown,
                labels=labels,
            )  # fmt: skip
        loss, count = by_hand.evaluate(batch)
        assert loss / count == pytest.approx(theirs.loss.item(), rel=1e-9)
    for update, batch in enumerate(batches):
        for engine in (by_hand, twin):
            engine.gradients(batch, (0, update))
        for path, parameter in by_hand.model.named_parameters():
            assert (parameter.grad is not None) == parameter.trainable, path
        step, expected = by_hand.update(0.01), twin.update(0.01)
        assert step.tokens == expected.tokens == batch.tokens
        assert step.loss == pytest.approx(expected.loss, rel=1e-10)
        assert step.norm == pytest.approx(expected.norm, rel=1e-8)
    after, theirs = by_hand.state(), twin.state()
    for path, array in after.items():
        np.testing.assert_allclose(array, theirs[path], rtol=1e-6, atol=1e-8, err_msg=path)


def test_dropout_is_free(npformer, published, texts, tmp_path):
    options = (*SHORT, "--corpus", texts, "--model.dropout", 0.1, "--updates", 1)
    ended = npformer("train", tmp_path / "run", "--from", published("gpt2")[1], *options)
    assert ended.status == 0, ended.err
    assert load_checkpoint(tmp_path / "run")[0].config.model.dropout == 0.1
