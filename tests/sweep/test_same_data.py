"""The trials of a sweep are trained on the same pairs, by one process at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from npformer.errors import CheckpointError
from npformer.sweep import configure, sweep
from npformer.train.data_record import read_record
from npformer.train.numpy_engine import NumpyEngine

pytestmark = pytest.mark.usefixtures("undrawn")

OVER = {"optim.warmup": [3, 5, 7]}


@pytest.fixture
def own(base, tmp_path):
    """``base`` on a corpus that may be changed, with fewer updates."""
    corpus = tmp_path / "own.tsv"
    corpus.write_bytes(Path(base.data.corpus).read_bytes())
    return configure(
        dataclasses.replace(base, data=dataclasses.replace(base.data, corpus=str(corpus))),
        {"train.updates": 1},
    )


def test_a_corpus_that_changes_between_trials_ends_the_sweep(own, tmp_path, quiet):
    sweep(tmp_path / "sweep", own, OVER, trials=1, console=quiet)
    corpus = Path(own.data.corpus)
    lines = corpus.read_text("utf-8").splitlines(keepends=True)
    corpus.write_text("".join(lines[::-1]), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"own\.tsv are not those of .*trials/0000 \("):
        sweep(tmp_path / "sweep", own, OVER, resume=True, console=quiet)


def test_a_moved_corpus_goes_on_and_every_trial_has_the_same_record(own, tmp_path, quiet):
    sweep(tmp_path / "sweep", own, OVER, trials=1, console=quiet)
    moved = Path(own.data.corpus).rename(tmp_path / "moved.tsv")
    there = configure(own, {"data.corpus": str(moved)})
    result = sweep(tmp_path / "sweep", there, OVER, resume=True, console=quiet)
    assert [trial.state for trial in result.trials] == ["finished"] * 3
    one, *others = (read_record(trial.directory) for trial in result.trials)
    assert all((r.training, r.validation) == (one.training, one.validation) for r in others)


def test_a_sweep_that_another_process_makes_is_left_alone(own, tmp_path, quiet):
    refused = []

    def make_engine(config):
        with pytest.raises(CheckpointError, match="at work on the sweep in .*sweep: process "):
            sweep(tmp_path / "sweep", own, OVER, resume=True, console=quiet)
        refused.append(True)
        return NumpyEngine(config)

    sweep(tmp_path / "sweep", own, OVER, trials=1, make_engine=make_engine, console=quiet)
    assert refused == [True]
