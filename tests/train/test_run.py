"""Whole runs of the NumPy engine on a small corpus file."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import sys

import numpy as np
import pytest
from rich.console import Console

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.errors import CheckpointError, ConfigError, CorpusError, NpformerError
from npformer.models.transformer import Transformer, TransformerConfig
from npformer.text.tokenizer import Tokenizer
from npformer.train.checkpoint import read_checkpoint
from npformer.train.metrics import read_metrics
from npformer.train.numpy_engine import NumpyEngine
from npformer.train.prepare import prepare
from npformer.train.run import run_training
from npformer.train.run_directory import checkpoints, load_checkpoint
from tests.train.fakes import MEASURED

ANIMALS = ["dog", "cat", "bird", "fish", "horse", "mouse"]
TIERE = ["Hund", "Katze", "Vogel", "Fisch", "Pferd", "Maus"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "pairs.tsv"
    lines = [
        f"{n} {animal} and the {other}\t{n} {tier} und das {anderes}"
        for n in range(2, 5)
        for animal, tier in zip(ANIMALS, TIERE, strict=True)
        for other, anderes in zip(ANIMALS, TIERE, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def small_run(corpus, **train) -> RunConfig:
    defaults = dict(
        updates=6, accumulate=2, validate_every=3, checkpoint_every=2, keep=3, validation_pairs=2
    )
    return RunConfig(
        model=TransformerConfig(
            d_model=8, heads=2, d_ff=16, encoder_layers=1, decoder_layers=1, max_length=24
        ),
        optim=OptimConfig(warmup=5),
        data=DataConfig(
            corpus=corpus, tokenizer="word", vocab_size=60, batch_tokens=64, max_length=16
        ),
        train=TrainConfig(**{**defaults, **train}),
    )


def run(config, directory, **options):
    console = Console(file=io.StringIO(), width=200)
    return run_training(config, directory, console=console, **options), console.file.getvalue()


class Interrupted(NumpyEngine):
    """Stopped by Ctrl-C during its second update."""

    count = 0

    def update(self, learning_rate):
        self.count += 1
        if self.count == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return super().update(learning_rate)


def test_a_run_is_complete_and_its_checkpoint_is_a_translator(corpus, tmp_path):
    result, printed = run(small_run(corpus), tmp_path / "run")
    assert not result.interrupted
    assert set(result.validation) == {"validation_loss", "perplexity", "bleu", "chrf"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "metrics.jsonl", "loss.png", "checkpoints", "averaged",
        "corpus.json", "validation.jsonl",
    }  # fmt: skip
    assert "training pairs" in printed and "vocabulary entries" in printed
    checkpoint, warning = load_checkpoint(tmp_path / "run")
    assert warning == ""
    tokenizer = Tokenizer.load(checkpoint.tokenizer_path)
    assert checkpoint.config.model.vocab_size == tokenizer.vocab_size < 60
    model = Transformer(checkpoint.config.model, rng=np.random.default_rng(0))
    model.load_state_dict(checkpoint.weights)


def test_an_interrupted_numpy_run_with_dropout_resumes_bit_for_bit(corpus, tmp_path):
    config = small_run(corpus)
    assert config.model.dropout > 0 and config.train.workers == 2
    run(config, tmp_path / "whole")
    stopped, _ = run(config, tmp_path / "cut", make_engine=Interrupted)
    assert stopped.interrupted and stopped.position.update == 2
    stopped, _ = run(config, tmp_path / "cut", resume=True, make_engine=Interrupted)
    assert stopped.interrupted and stopped.position.update == 4
    result, _ = run(config, tmp_path / "cut", resume=True)
    assert not result.interrupted
    assert list(checkpoints(tmp_path / "cut")) == [2, 4, 6]
    for name in ("checkpoints/update-00000006", "averaged"):
        one, two = (
            read_checkpoint(tmp_path / which / name, optimizer=name != "averaged")
            for which in ("whole", "cut")
        )
        assert one.engine_state().keys() == two.engine_state().keys()
        for key, array in one.engine_state().items():
            np.testing.assert_array_equal(array, two.engine_state()[key])
    lines = [read_metrics(tmp_path / which / "metrics.jsonl") for which in ("whole", "cut")]
    for one, two in zip(*lines, strict=True):
        for timed in MEASURED:
            one.pop(timed, None), two.pop(timed, None)
        assert one == two


def test_a_directory_with_a_run_is_not_run_over(corpus, tmp_path):
    config = small_run(corpus, updates=1)
    run(config, tmp_path)
    with pytest.raises(CheckpointError, match="already holds a run: resume it"):
        run(config, tmp_path)


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("model", dict(d_model=16)),
        ("optim", dict(warmup=9)),
        ("data", dict(batch_tokens=128)),
        ("train", dict(seed=7)),
        ("train", dict(accumulate=1)),
    ],
)
def test_a_run_of_another_configuration_is_not_resumed(corpus, tmp_path, part, changes):
    config = small_run(corpus, updates=1)
    run(config, tmp_path)
    other = dataclasses.replace(
        config, **{part: dataclasses.replace(getattr(config, part), **changes)}
    )
    with pytest.raises(CheckpointError, match=rf"{part}\.{next(iter(changes))} = "):
        run(other, tmp_path, resume=True)


def test_there_must_be_something_to_resume(corpus, tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        run(small_run(corpus), tmp_path / "none", resume=True)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run(small_run(corpus), tmp_path, resume=True)


def test_a_damaged_newest_checkpoint_is_told_and_passed_over(corpus, tmp_path):
    config = small_run(corpus, updates=4)
    run(config, tmp_path)
    want = read_checkpoint(tmp_path / "checkpoints" / "update-00000004").weights
    model = tmp_path / "checkpoints" / "update-00000004" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1])
    result, printed = run(config, tmp_path, resume=True)
    assert "warning" in printed and "update-00000002 instead" in printed
    for name, array in read_checkpoint(result.checkpoint).weights.items():
        np.testing.assert_array_equal(array, want[name])


def test_a_failed_start_leaves_no_directory(tmp_path):
    with pytest.raises(CorpusError):
        run(small_run(str(tmp_path / "none.tsv")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_place_that_is_a_file_is_told(corpus, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CheckpointError, match="cannot make the run's directory"):
        run(small_run(corpus), tmp_path / "file")


def test_the_twin_without_pytorch_is_an_error_that_says_what_to_install(
    corpus, tmp_path, monkeypatch
):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch_ref"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NpformerError, match=r"not installed; in .*pip install -e '\.\[torch\]'"):
        run(small_run(corpus, engine="torch"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_preparing_is_repeatable_and_sets_the_vocabulary(corpus):
    config = small_run(corpus)
    one, two = prepare(config), prepare(config)
    assert one.config == two.config
    assert one.config.model.vocab_size == one.tokenizer.vocab_size
    for a, b in zip(one.batches.epoch(1), two.batches.epoch(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.summary().startswith(f"{len(one.batches.pairs)} training pairs, ")


def test_a_model_too_short_for_the_data_is_refused(corpus):
    config = small_run(corpus)
    short = dataclasses.replace(config, model=dataclasses.replace(config.model, max_length=15))
    with pytest.raises(ConfigError, match=r"data\.max_length is 16.*up to 15"):
        prepare(short)
    other = dataclasses.replace(config, model=dataclasses.replace(config.model, padding_id=5))
    with pytest.raises(ConfigError, match="padding_id is 5"):
        prepare(other)
