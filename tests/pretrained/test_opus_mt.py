"""A directory as OPUS-MT's are, written by the library: loaded, translated, exported."""

from __future__ import annotations

import filecmp
import json

import numpy as np
import pytest
import torch
import transformers

from npformer.config import DataConfig, RunConfig
from npformer.models.loss import NO_TARGET
from npformer.pretrained.beginning import read_beginning
from npformer.train.engines import load_model
from npformer.train.prepare import prepare
from npformer.train.run_directory import load_checkpoint
from tests.pretrained import library, spm

sentencepiece = pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.filterwarnings("ignore:Recommended")
TEXT = "Der alte Mann sieht das rote Auto. 3 dogs!"
FILES = ("source.spm", "target.spm", "vocab.json")


@pytest.fixture(scope="module")
def opus(tmp_path_factory):
    """The library's model, its tokenizer, and where both were saved."""
    made, saved = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("opus")
    table = spm.opus(made, languages=["deu", "fra"])
    tokenizer = transformers.MarianTokenizer.from_pretrained(made)
    tokenizer.save_pretrained(saved)
    config = transformers.MarianConfig(
        vocab_size=len(table), d_model=24, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=3, decoder_attention_heads=3, encoder_ffn_dim=28,
        decoder_ffn_dim=28, max_position_embeddings=40, pad_token_id=table["<pad>"],
        eos_token_id=0, forced_eos_token_id=None, decoder_start_token_id=table["<pad>"],
        scale_embedding=True,
    )  # fmt: skip
    model = library.random_model(config, kind="AutoModelForSeq2SeqLM")
    # Where hypotheses end, the two searches differ: see test_encoder_decoders.
    model.final_logits_bias[0, [table["</s>"], table["<unk>"]]] = -60.0
    library.saved(model, saved)
    return model, tokenizer, saved


@pytest.fixture
def run(npformer, opus, tmp_path):
    ended = npformer("load", opus[2], tmp_path / "run", "--dtype", "float64")
    assert ended.status == 0, ended.err
    return tmp_path / "run"


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("code", ["", ">>fra<< "])
def test_translate_writes_the_librarys_text(npformer, opus, run, beams, code):
    model, tokenizer, _ = opus
    ended = npformer("translate", run, code + TEXT, "--beam", beams, "--alpha", 0, "--lines")
    assert ended.status == 0, ended.err
    written = []
    for text in (code + TEXT[:34], TEXT[35:]):
        inputs = tokenizer(text, return_tensors="pt")
        longest = min(inputs.input_ids.shape[1] + 50, 40)
        with library.exact(), torch.no_grad():
            (ids,) = model.generate(
                **inputs, do_sample=False, num_beams=beams, length_penalty=0.0,
                max_new_tokens=longest,
            )  # fmt: skip
        written.append(
            tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False,
                use_source_tokenizer=False,
            )
        )  # fmt: skip
    assert ended.out.strip() == " ".join(written)


def test_an_export_has_the_files_as_they_came_and_the_same_logits(npformer, opus, run, tmp_path):
    model, tokenizer, saved = opus
    ended = npformer("export", run, tmp_path / "again")
    assert ended.status == 0, ended.err
    for name in (*FILES, "tokenizer_config.json", "generation_config.json"):
        assert filecmp.cmp(saved / name, tmp_path / "again" / name, shallow=False), name
    assert not (tmp_path / "again" / "tokenizer.json").exists()
    inputs = transformers.MarianTokenizer.from_pretrained(tmp_path / "again")(
        TEXT, text_target="The old man.", return_tensors="pt"
    )
    assert inputs.input_ids.tolist() == tokenizer(TEXT, return_tensors="pt").input_ids.tolist()
    with library.exact():  # whose sines and cosines are drawn in float32 otherwise
        again = transformers.MarianMTModel.from_pretrained(
            tmp_path / "again", dtype=torch.float64, attn_implementation="eager"
        )
    start = torch.full((1, 1), model.config.decoder_start_token_id)
    target = torch.cat([start, inputs.labels[:, :-1]], dim=1)
    with library.exact(), torch.no_grad():
        logits = again(input_ids=inputs.input_ids, decoder_input_ids=target).logits.numpy()
    loaded = load_model(run)
    ids = loaded.tokenizer.source(loaded.tokenizer.encode(TEXT))
    ours, _ = loaded.model.forward(np.array([ids]), target.numpy())
    np.testing.assert_allclose(ours, logits, rtol=1e-9, atol=1e-9)


def test_an_opus_mt_directory_without_a_file_is_refused(refused, opus, tmp_path):
    _, _, saved = opus
    for name in FILES:
        directory = tmp_path / name
        directory.mkdir()
        for path in saved.iterdir():
            if path.name != name:
                (directory / path.name).write_bytes(path.read_bytes())
        said = refused("load", directory, tmp_path / "run")
        assert name in said or "tokenizer.json" in said
        assert not (tmp_path / "run").exists()
    said = {**json.loads((saved / "vocab.json").read_text()), "one more": 10**6}
    directory = tmp_path / "large"
    directory.mkdir()
    for path in saved.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    (directory / "vocab.json").write_text(json.dumps(said))
    assert "do not belong together" in refused("load", directory, tmp_path / "run")


PAIRS = "".join(
    f"{source}\t{target}\n" for target, source in zip(spm.SAID[4::2], spm.SAID[5::2], strict=True)
)
SHORT = ("--max-length", 40, "--batch-tokens", 160, "--updates", 4, "--checkpoint-every", 2,
         "--validate-every", 4, "--validation-pairs", 1, "--optim.learning-rate", 0.01,
         "--optim.schedule", "constant", "--workers", 1, "--columns", "1,2")  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "pairs.tsv"
    path.write_text("".join(PAIRS.splitlines(keepends=True)[:40]), encoding="utf-8")
    return path


def test_it_is_trained_further_resumed_and_exported(npformer, opus, corpus, tmp_path):
    _, tokenizer, saved = opus
    run, straight = tmp_path / "tuned", tmp_path / "straight"
    options = (*SHORT, "--corpus", corpus, "--lora", 2, "--lora-targets", "all",
               "--from", saved)  # fmt: skip
    ended = npformer("train", run, *options, "--updates", 2)
    assert ended.status == 0, ended.err
    ended = npformer("train", run, "--resume", "--updates", 4)
    assert ended.status == 0, ended.err
    assert npformer("train", straight, *options).status == 0
    one, other = (load_checkpoint(path)[0] for path in (run, straight))
    for path, array in one.weights.items():
        assert np.array_equal(array, other.weights[path]), path
    assert npformer("evaluate", run).status == 0
    assert npformer("translate", run, TEXT, "--beam", 1).status == 0
    ended = npformer("export", run, tmp_path / "again")
    assert ended.status == 0, ended.err
    assert "adapters merged into them" in ended.out
    again = transformers.MarianMTModel.from_pretrained(tmp_path / "again", dtype=torch.float32)
    loaded = load_model(run)
    assert loaded.tokenizer.before == tuple(tokenizer(">>deu<<").input_ids[:1])  # as by default
    inputs = tokenizer(f">>deu<< {TEXT}", return_tensors="pt").input_ids
    start = torch.full((1, 1), again.config.decoder_start_token_id)
    with torch.no_grad():
        logits = again(input_ids=inputs, decoder_input_ids=start).logits.numpy()
    ours, _ = loaded.model.forward(inputs.numpy(), start.numpy())
    np.testing.assert_allclose(ours, logits, rtol=1e-4, atol=1e-4)
    begun, _ = load_model(saved_run(npformer, saved, tmp_path)).model.forward(
        inputs.numpy(), start.numpy()
    )
    assert not np.allclose(ours, begun, rtol=1e-3, atol=1e-3)


def saved_run(npformer, saved, tmp_path):
    assert npformer("load", saved, tmp_path / "begun").status == 0
    return tmp_path / "begun"


def test_a_batch_is_the_librarys(opus, corpus):
    """Sources, what is read of targets, and labels, whatever the order of the rows."""
    model, tokenizer, saved = opus
    beginning = read_beginning(saved, "float32", "de", "deu")
    config = RunConfig(
        model=beginning.config,
        data=DataConfig(corpus=str(corpus), columns="1,2", max_length=40, batch_tokens=160),
    )
    data = prepare(config, beginning.tokenizer)
    lines = [line.split("\t") for line in corpus.read_text().splitlines()]
    found = 0
    for rows in data.batches.epoch(0):
        batch = data.batches.batch(rows)
        labels = torch.from_numpy(batch.targets)
        shifted = model.prepare_decoder_input_ids_from_labels(labels)
        asked = batch.targets != NO_TARGET
        assert np.array_equal(shifted.numpy()[asked], batch.inputs["target"][asked])
        for source, target in zip(batch.inputs["source"], batch.targets, strict=True):
            ids = [i for i in source if i != tokenizer.pad_token_id]
            asked = [i for i in target if i != NO_TARGET]
            found += any(
                tokenizer(f">>deu<< {a}").input_ids == ids
                and tokenizer(text_target=b).input_ids == asked
                for a, b in lines
            )
    assert found == len(data.batches.pairs) > 20
