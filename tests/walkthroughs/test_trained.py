"""The run that chapters share: trained once, found again, and never half-finished."""

from __future__ import annotations

import dataclasses
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from npformer.config import DataConfig, OptimConfig, RunConfig, TrainConfig
from npformer.models.transformer import TransformerConfig
from npformer.train.run_directory import load_checkpoint
from tests.walkthroughs.chapters import WALKTHROUGHS

TRAINED = runpy.run_path(str(WALKTHROUGHS / "trained.py"))
trained_run = TRAINED["trained_run"]
SMALL = RunConfig(
    model=TransformerConfig(d_model=8, heads=2, d_ff=8, encoder_layers=1, decoder_layers=1),
    optim=OptimConfig(warmup=2),
    data=DataConfig(pairs=40, vocab_size=300, batch_tokens=400, max_length=64),
    train=TrainConfig(updates=2, checkpoint_every=1, validate_every=2, validation_pairs=0),
)


@pytest.fixture
def run(tmp_path) -> Path:
    return tmp_path / "runs" / "shared"


def test_the_chapters_run_is_tiny_on_the_grammar():
    config = TRAINED["configuration"]()
    assert (config.data.corpus, config.model.d_model) == ("grammar", 128)
    assert config.train.updates == TRAINED["UPDATES"]


def test_a_run_is_trained_once_and_found_again(run):
    assert trained_run(run, SMALL) == run
    before = (run / "metrics.jsonl").stat().st_mtime_ns
    assert trained_run(run, SMALL) == run
    assert (run / "metrics.jsonl").stat().st_mtime_ns == before
    assert load_checkpoint(run)[0].config.train == SMALL.train


def test_a_run_of_another_configuration_is_replaced(run):
    trained_run(run, SMALL)
    other = dataclasses.replace(SMALL, train=dataclasses.replace(SMALL.train, seed=7))
    trained_run(run, other)
    assert load_checkpoint(run)[0].config.train.seed == 7


def test_an_interrupted_run_is_begun_again(run):
    unfinished = run.with_name("shared.unfinished")
    (unfinished / "checkpoints" / "update-00000001").mkdir(parents=True)
    trained_run(run, SMALL)
    assert load_checkpoint(run)[0].config.train == SMALL.train
    assert not unfinished.exists()


def test_two_processes_at_once_train_one_run(run):
    code = f"""
import runpy, sys
from unittest import mock
from tests.walkthroughs.test_trained import SMALL, WALKTHROUGHS
import npformer.train.run as module
real = module.run_training
def counted(*arguments, **options):
    print("trained")
    return real(*arguments, **options)
with mock.patch.object(module, "run_training", counted):
    trained = runpy.run_path({str(WALKTHROUGHS / "trained.py")!r})
trained["trained_run"](__import__("pathlib").Path({str(run)!r}), SMALL)
"""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=WALKTHROUGHS.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert "".join(out for out, _ in ended).split() == ["trained"]
