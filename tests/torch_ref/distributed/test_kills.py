"""Runs of which one rank is killed again and again, by SIGKILL, in a step or in a save.

Wherever it happens, the others end by themselves, what was saved is whole, and the run, started
anew each time as torchrun does it, ends with the weights of a run that nobody disturbed. CI has
one number of ranks of several for each way of dividing the work.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings

from npformer.train import checkpoint, run_log
from npformer.train.checkpoint import read_checkpoint, save_arrays, save_checkpoint
from npformer.train.metrics import read_metrics
from npformer.train.run_checkpoints import RunCheckpoints
from npformer.train.run_directory import checkpoint_path, checkpoints, latest_checkpoint
from tests.forked import Ended
from tests.torch_ref.distributed.harness import PATIENCE, launch, lines
from tests.train.faults import tree
from torch_ref.train import TorchEngine, meeting
from torch_ref.train.__main__ import main

WORDS = "the cat dog sees hears a red old house and it is not so that we go home".split()
ARRAYS = ("model.safetensors", "optimizer.safetensors")
FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
MOMENTS = {"ddp": (30, 4), "fsdp": (38, 6)}
"""Of a save: what rank 0, and what another, does with files and agrees with the others on."""


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    for name, pairs in (("train", 40), ("validation", 3)):
        rows = [rng.choice(WORDS, rng.integers(1, 10)) for _ in range(pairs)]
        text = "".join(f"{' '.join(row)}\t{' '.join(row[::-1])}\n" for row in rows)
        (folder / f"{name}.tsv").write_text(text)
    values = {
        "corpus": folder / "train.tsv",
        "validation": folder / "validation.tsv",
        "tokenizer": "word",
        "batch-tokens": 60,
        "validate-every": 1000,
        "validation-pairs": 0,
        "checkpoint-every": 1,
        "keep": 3,
        "device": "cpu",
        "model.d-model": 6,
        "model.heads": 2,
        "model.d-ff": 5,
        "model.encoder-layers": 1,
        "model.decoder-layers": 1,
        "model.dropout": "0.1",
    }
    return [word for name, value in values.items() for word in (f"--{name}", str(value))]


class Clock:
    """``time`` for those that wait: it stands still until a kill, and then runs fast.

    So they wait for the dead as long as it takes to die, and not long after it, however slow the
    machine is.
    """

    sleep = staticmethod(time.sleep)

    def __init__(self, log: Path) -> None:
        self.log, self.size, self.killed = log, log.stat().st_size, None

    def monotonic(self) -> float:
        if self.killed is None and self.log.stat().st_size > self.size:
            self.killed = time.monotonic()
        return 0.0 if self.killed is None else PATIENCE * (time.monotonic() - self.killed)


class Killer:
    """Ends its own process by SIGKILL at one moment of a rank's life, drawn from ``rng``."""

    def __init__(self, rng: np.random.Generator, moments: int | None, log: Path) -> None:
        """``moments`` of a save to choose from; without them, it dies in a step."""
        self.log = log
        self.left = int(rng.integers(moments)) if moments else None
        self.stage = str(rng.choice(["before", "during", "between", "after"]))
        self.delay = float(rng.uniform(0, 0.03))
        self.updates, self.armed = 0, False

    def kill(self, where: str) -> None:
        self.armed = False
        with self.log.open("a") as file:
            file.write(f"{where}\n")
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(PATIENCE)  # of a thread that is not the first: the signal is on its way

    def heard(self, event: str, _: object = None) -> None:
        """Something happened; in a save, it may have been the last thing."""
        if self.armed and event in FILE_EVENTS:
            if self.left == 0:
                self.kill("save")
            self.left -= 1

    def around_save(self, save):
        def saved(kept, position) -> None:
            self.armed = self.left is not None
            save(kept, position)
            if self.armed:
                self.kill("after the save")

        return saved

    def around_agreement(self, together):
        def agreed(*arguments):
            self.heard("open")
            return together(*arguments)

        return agreed

    def engine(self) -> type[TorchEngine]:
        killer = self

        class Dies(TorchEngine):
            def gradients(self, batch, seed):
                killer.updates += 1
                now = killer.left is None and killer.updates == 2
                if now and killer.stage == "before":
                    killer.kill("step")
                if now and killer.stage == "during":
                    threading.Timer(killer.delay, killer.kill, ["step"]).start()
                super().gradients(batch, seed)
                if now and killer.stage == "between":
                    killer.kill("step")

            def update(self, learning_rate):
                step = super().update(learning_rate)
                if killer.left is None and killer.updates == 2:
                    killer.kill("step")
                return step

        return Dies


def run(
    size: int, arguments: list[str], *, victim: int | None = None, killer: Killer | None = None
) -> list[Ended]:
    """The command on ``size`` ranks, as torchrun starts them; ``killer`` is the victim's."""

    def work(rank: int) -> None:
        engine = TorchEngine
        if rank == victim:
            assert killer
            RunCheckpoints.save = killer.around_save(RunCheckpoints.save)
            checkpoint._together = killer.around_agreement(checkpoint._together)
            engine = killer.engine()
            sys.addaudithook(killer.heard)
        with (
            mock.patch.object(meeting, "time", Clock(killer.log) if killer else time),
            mock.patch("torch_ref.train.TorchEngine", engine),
            mock.patch.object(run_log, "draw_curve"),
            mock.patch("npformer.train.engines.check_fits"),  # asked in tests/plan
            mock.patch("torch_ref.train.device.peak_flops", return_value=0.0),
            mock.patch.object(os, "fsync"),  # the machine itself goes on
        ):
            raise SystemExit(main(arguments))

    return launch(size, work, environment=lambda rank: {"TORCHELASTIC_RESTART_COUNT": "1"})


def content(path: Path) -> list[bytes]:
    """The files of arrays that a checkpoint has."""
    return [(path / name).read_bytes() for name in ARRAYS if (path / name).exists()]


KILLS = (
    [(1, "ddp", 16), (2, "ddp", 16), (4, "ddp", 10), (2, "fsdp", 6), (4, "fsdp", 4)]
    if settings.get_current_profile_name() == "deep"
    else [
        (1, "ddp", 6),
        (2, "ddp", 6),
        pytest.param(4, "ddp", 3, marks=pytest.mark.exhaustive),
        pytest.param(2, "fsdp", 5, marks=pytest.mark.exhaustive),
        (4, "fsdp", 2),
    ]
)


@pytest.mark.parametrize(("size", "parallel", "kills"), KILLS)
def test_nothing_is_lost_by_kills(tmp_path, options, size, parallel, kills):
    arguments = [*options, "--parallel", parallel, "--updates", str(kills + 1)]
    arguments += ["--timeout", str(PATIENCE)]
    whole, parts, log = tmp_path / "whole", tmp_path / "parts", tmp_path / "log"
    ended = run(size, [str(whole), *arguments])
    assert [end.status for end in ended] == [0] * size, lines(ended)

    rng = np.random.default_rng(100 * size + (parallel == "fsdp"))
    newest = 0
    log.touch()
    for kill in range(kills):
        victim, in_save = int(rng.integers(size)), kill % 5 < 3
        moments = MOMENTS[parallel][victim > 0] if in_save else None
        killer = Killer(rng, moments, log)
        ended = run(size, [str(parts), *arguments], victim=victim, killer=killer)
        statuses = [end.status for end in ended]
        assert statuses.pop(victim) == -signal.SIGKILL, ended
        assert statuses == [2] * (size - 1), lines(ended)
        told = [end.err for end in ended if end.err]
        assert bool(told) == (size > 1), told
        assert all(text.startswith("npformer: rank") and text.count("\n") == 1 for text in told)
        before = newest
        if checkpoints(parts):
            path, warning = latest_checkpoint(parts)
            newest = int(path.name.removeprefix("update-"))
            assert not warning
        assert before <= newest <= before + 1

    ended = run(size, [str(parts), *arguments])
    assert [end.status for end in ended] == [0] * size, lines(ended)
    for path in (Path("averaged"), checkpoint_path(Path(), kills + 1)):
        for one, other in zip(content(whole / path), content(parts / path), strict=True):
            assert one == other
    assert {path.name for path in (parts / "checkpoints").iterdir()} == {
        path.name for path in (whole / "checkpoints").iterdir()
    }
    found, wanted = (
        [(x["update"], x["loss"]) for x in read_metrics(run / "metrics.jsonl") if "loss" in x]
        for run in (parts, whole)
    )
    assert found == wanted and [update for update, _ in found] == list(range(1, kills + 2))
    where = log.read_text().splitlines()
    # On a busy machine a kill that was meant for a save may come just after it.
    at_a_save = sum("save" in moment for moment in where)
    assert len(where) == kills and 2 * at_a_save >= kills and "save" in where, where


def trained(size: int, arguments: list[str]) -> list[Ended]:
    ended = run(size, arguments)
    assert [end.status for end in ended] == [0] * size, lines(ended)
    assert not lines(ended)
    return ended


def test_ranks_go_on_from_the_checkpoint_before_a_damaged_one(tmp_path, options):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    trained(2, [whole, *options, "--updates", "4"])
    trained(2, [parts, *options, "--updates", "3"])
    newest, before = (checkpoint_path(Path(parts), update) for update in (3, 2))
    (newest / "model.safetensors").write_bytes((before / "model.safetensors").read_bytes())
    ended = trained(2, [parts, *options, "--updates", "4"])
    told = [line for end in ended for line in end.out.splitlines() if "warning" in line]
    assert len(told) == 1
    assert str(newest) in told[0] and told[0].endswith(f"using {before} instead")
    for path in (Path("averaged"), *(checkpoint_path(Path(), update) for update in (2, 3, 4))):
        assert content(whole / path) == content(parts / path)


def foreign(run: Path) -> None:
    """Another project's weights where the newest checkpoint was."""
    for path in checkpoint_path(run, 1).iterdir():
        if path.name != "model.safetensors":
            path.unlink()


def of_another_run(run: Path) -> None:
    """A checkpoint of a run with other settings, brought in from elsewhere."""
    path = checkpoint_path(run, 1)
    old = read_checkpoint(path, optimizer=True)
    optim = dataclasses.replace(old.config.optim, warmup=7)
    config = dataclasses.replace(old.config, optim=optim)
    write = partial(save_arrays, state=old.engine_state())
    save_checkpoint(path, config, write, old.tokenizer, old.position)


def without_optimizer(run: Path) -> None:
    """An average, or another checkpoint that holds weights alone."""
    path = checkpoint_path(run, 1)
    old = read_checkpoint(path)
    write = partial(save_arrays, state=old.engine_state())
    save_checkpoint(path, old.config, write, old.tokenizer, old.position)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (foreign, "not a checkpoint of npformer, or not a whole one: it has no manifest.json"),
        (of_another_run, "was made with optim.warmup = 7"),
        (without_optimizer, "holds no optimizer"),
    ],
)
def test_a_checkpoint_that_is_not_the_runs_is_told_in_one_line(tmp_path, options, spoil, message):
    directory = tmp_path / "run"
    trained(1, [str(directory), *options, "--updates", "1"])
    spoil(directory)
    before = tree(directory)
    ended = run(2, [str(directory), *options, "--updates", "2"])
    assert [end.status for end in ended] == [2, 2], lines(ended)
    (told,) = lines(ended)
    assert message in told
    assert tree(directory) == before
