"""A run knows its data again: in another place, in another form, and when it has changed."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import CheckpointError, CorpusError
from npformer.files import atomic
from npformer.files.manifest import MANIFEST, STATE, read_manifest, seal, to_json
from npformer.models.transformer import TransformerConfig
from npformer.train import data_record
from npformer.train.data_record import NOTE, DataRecord, read_record
from npformer.train.kept_validation import trained_on, validation_of
from npformer.train.prepare import prepare
from npformer.train.run import run_training
from npformer.train.run_directory import load_checkpoint

ROWS = [f"the {n} men\tdie {n} Herren\n" for n in range(60)]


@pytest.fixture(autouse=True)
def quick(undrawn, monkeypatch):
    """Without pictures and flushing the disk."""
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: None)


@pytest.fixture
def config(tmp_path) -> RunConfig:
    (tmp_path / "pairs.tsv").write_text("".join(ROWS))
    (tmp_path / "valid.tsv").write_text("who sleeps\twer schläft\nwho runs\twer läuft\n")
    return RunConfig(
        model=TransformerConfig(
            d_model=4, heads=1, d_ff=4, encoder_layers=1, decoder_layers=1, max_length=16
        ),
        optim=OptimConfig(warmup=5),
        data=DataConfig(
            corpus=str(tmp_path / "pairs.tsv"), tokenizer="word", vocab_size=200,
            batch_tokens=400, max_length=16,
        ),
        train=TrainConfig(
            updates=2, validate_every=2, checkpoint_every=2, validation_pairs=0, workers=1
        ),
    )  # fmt: skip


def changed(config, part="data", **changes):
    return dataclasses.replace(
        config, **{part: dataclasses.replace(getattr(config, part), **changes)}
    )


def run(config, directory, **options):
    console = Console(file=io.StringIO(), width=300)
    run_training(config, directory, console=console, **options)
    return console.file.getvalue()


def resume(config, directory):
    return run(changed(config, "train", updates=3), directory, resume=True)


def record(config) -> DataRecord:
    return DataRecord.of(prepare(config))


def test_the_digests_are_the_same_in_memory_and_in_shards_wherever_the_corpus_is(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(data_record, "_CHUNK", 7)
    one = record(config)
    other = record(changed(config, shards=str(tmp_path / "shards")))
    assert (one.training, one.validation) == (other.training, other.validation)
    assert [Path(file.name).name for file in other.files] == [MANIFEST]
    packed = tmp_path / "moved.tsv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "pairs.tsv").read_bytes()))
    other = record(changed(config, corpus=str(packed)))
    assert (one.training, one.validation) == (other.training, other.validation)
    assert one.files != other.files


def edited(rows):
    return [*rows[:30], rows[30].replace("men", "man"), *rows[31:]]


CHANGES = {
    "a line more": lambda rows: [*rows, "one more\tnoch einer\n"],
    "a line less": lambda rows: rows[:-1],
    "another word of the same length": edited,
    "another order": lambda rows: rows[::-1],
    "another corpus": lambda rows: [f"{n} dogs\t{n} Hunde\n" for n in range(60)],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_corpus_is_not_resumed_and_does_not_touch_what_evaluate_scores(
    config, tmp_path, change
):
    run(config, tmp_path / "run")
    before = prepare(config).validation_corpus
    (tmp_path / "pairs.tsv").write_text("".join(CHANGES[change](ROWS)))
    with pytest.raises(CheckpointError, match=r"pairs of .*pairs\.tsv are not those of .*update-"):
        resume(config, tmp_path / "run")
    kept = validation_of(load_checkpoint(tmp_path / "run")[0])
    assert kept.pairs == before
    (warning,) = kept.warnings
    assert "pairs.tsv has changed since training" in warning
    assert "scored are the 3 validation pairs of the training" in warning


def test_an_unchanged_corpus_resumes_from_another_place_and_form(config, tmp_path):
    run(config, tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "pairs.tsv").rename(tmp_path / "elsewhere" / "pairs.tsv")
    config = changed(config, corpus=str(moved))
    assert "warning" not in resume(config, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run")[0].config.data.corpus == str(moved)
    assert [file.name for file in read_record(tmp_path / "run").files] == [str(moved)]
    again = changed(config, "train", updates=4)
    run(changed(again, shards=str(tmp_path / "shards")), tmp_path / "run", resume=True)


def test_validation_pairs_of_their_own_may_not_change_either(config, tmp_path):
    config = changed(config, validation=str(tmp_path / "valid.tsv"))
    run(config, tmp_path / "run")
    (tmp_path / "valid.tsv").write_text("who sleeps\twer schlief\nwho runs\twer läuft\n")
    with pytest.raises(CheckpointError, match=r"validation pairs of .*valid\.tsv are not those"):
        resume(config, tmp_path / "run")
    kept = validation_of(load_checkpoint(tmp_path / "run")[0])
    assert kept.pairs.target == ["wer schläft", "wer läuft"]
    assert "valid.tsv has changed" in kept.warnings[0]


def test_a_corpus_that_is_gone_is_evaluated_all_the_same(config, tmp_path):
    run(config, tmp_path / "run")
    (tmp_path / "pairs.tsv").unlink()
    for path in (tmp_path / "run", next((tmp_path / "run" / "checkpoints").iterdir())):
        kept = validation_of(load_checkpoint(path)[0])
        assert len(kept.pairs) == 3 and kept.warnings == []


def test_resuming_without_the_corpus_asks_where_it_is(config, tmp_path):
    config = changed(config, validation=str(tmp_path / "valid.tsv"))
    run(config, tmp_path / "run")
    for option, name in (("validation", "valid.tsv"), ("corpus", "pairs.tsv")):
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
        with pytest.raises(CorpusError, match=f"{name}.*if it was moved, --{option} says where"):
            resume(config, tmp_path / "run")
        (tmp_path / f"moved-{name}").rename(tmp_path / name)
    resume(config, tmp_path / "run")


def test_without_the_kept_pairs_the_corpus_must_still_be_the_same(config, tmp_path):
    run(config, tmp_path / "run")
    expected = validation_of(load_checkpoint(tmp_path / "run")[0]).pairs
    (tmp_path / "run" / "validation.jsonl").write_text('["a", "b", ""]\n')
    assert validation_of(load_checkpoint(tmp_path / "run")[0]).pairs == expected
    (tmp_path / "run" / "validation.jsonl").unlink()
    assert validation_of(load_checkpoint(tmp_path / "run")[0]).pairs == expected
    (tmp_path / "pairs.tsv").write_text("".join([*ROWS, "one more\tnoch einer\n"] * 2))
    with pytest.raises(CheckpointError, match="the model was trained on some of them"):
        validation_of(load_checkpoint(tmp_path / "run")[0])


def test_the_corpus_itself_is_no_test(config, tmp_path):
    run(config, tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")[0]
    copy = tmp_path / "copy.tsv"
    copy.write_text("".join(ROWS))
    assert "is what the model was trained on" in trained_on(checkpoint, str(copy))
    assert trained_on(checkpoint, str(tmp_path / "valid.tsv")) == ""
    assert trained_on(checkpoint, "grammar") == ""


def make_old(run: Path) -> None:
    """Take from a run all that an older npformer did not leave."""
    for name in ("corpus.json", "validation.jsonl"):
        (run / name).unlink()
    for path in [*(run / "checkpoints").iterdir(), run / "averaged"]:
        notes = json.loads((path / STATE).read_bytes())
        del notes[NOTE]
        small = {n: (path / n).read_bytes() for n in read_manifest(path) if n.endswith("json")}
        (path / MANIFEST).unlink()
        seal(path, {**small, STATE: to_json(notes)})


def test_a_run_of_an_older_npformer_goes_on_and_says_what_it_cannot_know(config, tmp_path):
    run(config, tmp_path / "run")
    make_old(tmp_path / "run")
    checkpoint = load_checkpoint(tmp_path / "run")[0]
    kept = validation_of(checkpoint)
    assert len(kept.pairs) == 3 and trained_on(checkpoint, config.data.corpus) == ""
    (warning,) = kept.warnings
    assert "cannot be known" in warning
    with pytest.raises(CheckpointError, match=r"data\.corpus = "):  # nothing to tell them apart by
        resume(changed(config, corpus=str(tmp_path / "valid.tsv")), tmp_path / "run")
    printed = resume(config, tmp_path / "run")
    assert "cannot be known" in printed
    (warning,) = validation_of(load_checkpoint(tmp_path / "run" / "averaged")[0]).warnings
    assert "first recorded at update 2" in warning
    again = changed(config, "train", updates=4)
    assert "cannot be known" not in run(again, tmp_path / "run", resume=True)
    assert read_record(tmp_path / "run").since == 2


def test_a_damaged_record_is_named(config, tmp_path):
    run(config, tmp_path / "run")
    for content in ("{", "[]", '{"training": 1}'):
        (tmp_path / "run" / "corpus.json").write_text(content)
        with pytest.raises(CheckpointError, match=r"corpus\.json"):
            read_record(tmp_path / "run")
