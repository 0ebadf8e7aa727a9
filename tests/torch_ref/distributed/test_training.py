"""Whole runs of many ranks, from the command line: stopped, resumed, handed over, gone wrong."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from npformer.train.checkpoint import Checkpoint, read_checkpoint
from npformer.train.run_directory import checkpoint_path
from tests.forked import Ended
from tests.torch_ref.distributed.harness import PATIENCE, launch, lines
from torch_ref.train import TorchEngine, objective
from torch_ref.train.__main__ import main

UPDATES = 20
WORDS = "the cat dog sees hears a red old house and it is not so that we go home".split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> list[str]:
    """Options for a small corpus: sentences of 1 to 9 words, and the same backwards."""
    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    for name, pairs in (("train", 60), ("validation", 7)):
        rows = [rng.choice(WORDS, rng.integers(1, 10)) for _ in range(pairs)]
        text = "".join(f"{' '.join(row)}\t{' '.join(row[::-1])}\n" for row in rows)
        (folder / f"{name}.tsv").write_text(text)
    options = {
        "corpus": folder / "train.tsv",
        "validation": folder / "validation.tsv",
        "tokenizer": "word",
        "batch-tokens": 60,
        "accumulate": 2,
        "dtype": "float64",
        "validate-every": 8,
        "validation-pairs": 4,
        "checkpoint-every": 5,
        "keep": 20,
        "timeout": PATIENCE,
        "device": "cpu",
        "model.d-model": 8,
        "model.heads": 2,
        "model.d-ff": 12,
        "model.encoder-layers": 1,
        "model.decoder-layers": 1,
        "optim.schedule": "noam",
        "optim.warmup": 20,
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


class Quick(TorchEngine):
    """The engine, but that it does not measure what the CPU could do."""

    peak_flops = 0.0


def run(size: int, directory: Path, *options: str, engine=Quick, **harness) -> list[Ended]:
    """``torch_ref.train DIRECTORY options`` on ``size`` ranks, without the picture."""

    def work(rank: int) -> None:
        with (
            mock.patch("torch_ref.train.TorchEngine", engine),
            mock.patch("npformer.train.run_log.draw_curve"),
            mock.patch("npformer.train.engines.check_fits"),  # asked in tests/plan
        ):
            raise SystemExit(main([str(directory), *options]))

    return launch(size, work, **harness)


def trained(size: int, directory: Path, *options: str, **harness) -> None:
    ended = run(size, directory, *options, **harness)
    assert [end.status for end in ended] == [0] * size, lines(ended)
    assert not lines(ended)
    assert all(not end.out for end in ended[1:]), "only rank 0 prints"


def checkpoint(directory: Path, update: int) -> Checkpoint:
    return read_checkpoint(checkpoint_path(directory, update), optimizer=True)


def losses(directory: Path) -> list[float]:
    text = (directory / "metrics.jsonl").read_text()
    return [line["loss"] for line in map(json.loads, text.splitlines()) if "loss" in line]


def assert_same(a: Checkpoint, b: Checkpoint, *, exactly: bool) -> None:
    assert (a.position.epoch, a.position.index) == (b.position.epoch, b.position.index)
    assert a.position.tokens == b.position.tokens
    for ours, theirs in ((a.weights, b.weights), (a.optimizer, b.optimizer)):
        assert ours.keys() == theirs.keys()
        for name in ours:
            if exactly:
                np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
            elif "k_proj.bias" not in name:  # its true gradient is 0; Adam enlarges the rounding
                np.testing.assert_allclose(
                    ours[name], theirs[name], rtol=1e-7, atol=1e-9, err_msg=name
                )


class Stops(Quick):
    """An engine of which rank 1 is asked to stop, as by ``kill``, at update 10."""

    def update(self, learning_rate):
        if self._steps == UPDATES // 2 - 1 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return super().update(learning_rate)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_stopped_and_resumed_is_as_if_nothing_had_happened(tmp_path, corpus, parallel):
    options = [*corpus, "--parallel", parallel, "--updates", str(UPDATES), "--model.dropout", "0.2"]
    trained(2, tmp_path / "whole", *options)
    parts = tmp_path / "parts"
    stopped = run(2, parts, *options, engine=Stops)
    assert [end.status for end in stopped] == [130, 130], lines(stopped)
    assert f"interrupted; update {UPDATES // 2} is saved" in stopped[0].out
    trained(2, parts, "--resume")
    assert_same(checkpoint(parts, UPDATES), checkpoint(tmp_path / "whole", UPDATES), exactly=True)
    assert losses(parts) == losses(tmp_path / "whole")
    averages = [read_checkpoint(path / "averaged") for path in (parts, tmp_path / "whole")]
    for name in averages[0].weights:
        np.testing.assert_array_equal(*(average.weights[name] for average in averages))


def test_a_run_goes_on_with_other_numbers_of_ranks(tmp_path, corpus):
    options = [*corpus, "--model.dropout", "0"]
    trained(1, tmp_path / "alone", *options, "--updates", "20")
    parts = tmp_path / "parts"
    trained(4, parts, *options, "--updates", "5", "--parallel", "fsdp")
    trained(2, parts, "--resume", "--updates", "10")
    trained(1, parts, "--resume", "--updates", "15")
    trained(4, parts, "--resume", "--updates", "20", "--parallel", "ddp")
    for update in (5, 10, 15, 20):
        one, many = (checkpoint(path, update) for path in (tmp_path / "alone", parts))
        assert_same(one, many, exactly=False)
    assert losses(parts) == pytest.approx(losses(tmp_path / "alone"), rel=1e-9)


def test_two_sequences_of_weights_on_shares_of_a_model(tmp_path, corpus):
    """Both, and the sum of squares, go over to other numbers of ranks; the mean is saved."""
    options = [*corpus, "--model.dropout", "0", "--optim.name", "schedule_free"]
    trained(1, tmp_path / "alone", *options, "--updates", "10")
    parts = tmp_path / "parts"
    trained(2, parts, *options, "--updates", "5", "--parallel", "fsdp")
    trained(2, parts, "--resume", "--updates", "10", "--parallel", "ddp")
    for update in (5, 10):
        one, many = (checkpoint(path, update) for path in (tmp_path / "alone", parts))
        assert_same(one, many, exactly=False)


def test_an_optimizer_of_whole_matrices_refuses_shares_of_them(tmp_path, corpus):
    options = [*corpus, "--optim.name", "muon", "--parallel", "fsdp", "--updates", "1"]
    ended = run(2, tmp_path / "run", *options)
    assert [end.status for end in ended] == [2, 2], lines(ended)
    assert lines(ended)[0].startswith("npformer: muon needs each matrix whole")


class Overflows(Quick):
    """An engine whose loss is infinite on rank 1 at update 8."""

    def gradients(self, batch, seed):
        if self._steps != 7 or os.environ["RANK"] != "1":
            return super().gradients(batch, seed)
        original = objective.linear_cross_entropy
        with mock.patch.object(
            objective,
            "linear_cross_entropy",
            lambda *args, **kwargs: original(*args, **kwargs) * np.inf,
        ):
            return super().gradients(batch, seed)


class Dies(Quick):
    """An engine whose rank 1 is killed in update 8, when the others are in their backward."""

    def gradients(self, batch, seed):
        if self._steps != 7 or os.environ["RANK"] != "1":
            return super().gradients(batch, seed)
        with mock.patch.object(
            torch.Tensor, "backward", side_effect=lambda: os.kill(os.getpid(), signal.SIGKILL)
        ):
            return super().gradients(batch, seed)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_step_that_is_not_finite_on_one_rank_stops_all(tmp_path, corpus, parallel):
    options = [*corpus, "--parallel", parallel, "--updates", "10"]
    ended = run(4, tmp_path / "run", *options, engine=Overflows)
    assert [end.status for end in ended] == [2] * 4
    (line,) = lines(ended)
    assert line.startswith("npformer: update 8: the loss is ")
    assert line.endswith(f"the last checkpoint is {checkpoint_path(tmp_path / 'run', 5)}")
    assert checkpoint(tmp_path / "run", 5).position.update == 5


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_rank_that_dies_in_the_backward_takes_nothing_with_it(tmp_path, corpus, parallel):
    """torchrun's restart then goes on from the newest checkpoint, to the same weights."""
    options = [*corpus, "--parallel", parallel, "--updates", "10"]
    directory = tmp_path / "run"
    ended = run(2, directory, *options, engine=Dies)
    assert [end.status for end in ended] == [2, -signal.SIGKILL]
    (line,) = lines(ended)
    assert re.fullmatch("npformer: rank 0 lost the others: .*; continue with --resume", line)
    again = {"environment": lambda rank: {"TORCHELASTIC_RESTART_COUNT": "1"}}
    trained(2, directory, *options, **again)
    trained(2, tmp_path / "whole", *options)
    assert_same(checkpoint(directory, 10), checkpoint(tmp_path / "whole", 10), exactly=True)


def test_a_restart_before_the_first_checkpoint_starts_over(tmp_path, corpus):
    again = {"environment": lambda rank: {"TORCHELASTIC_RESTART_COUNT": "1"}}
    trained(2, tmp_path / "run", *corpus, "--updates", "1", **again)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--updates", "none"], "--updates is 'none'"),
        (["--corpus", "nowhere.tsv"], "nowhere.tsv"),
        (["--resume"], "no checkpoint"),
        (["--device", "cuda"], "finds no GPU here"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_wrong_on_every_rank_is_told_once(tmp_path, corpus, options, told):
    ended = run(2, tmp_path / "run", *(corpus if "--resume" not in options else []), *options)
    assert [end.status for end in ended] == [2, 2]
    (line,) = lines(ended)
    assert told in line
