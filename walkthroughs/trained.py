"""The run that several chapters look into: ``tiny`` on the built-in grammar, trained here once.

    from trained import trained_run
    run = trained_run()        # a directory, as ``npformer train`` leaves it

The first call trains for a minute or two on two cores; every later one finds the run, in this
process or another, and so does ``npformer translate ../runs/walkthroughs "..."``. Where
NPFORMER_QUICK is 1, as in CI, there are half as many updates, of a quarter of the tokens: the
sentences are worse, and every assertion of the chapters holds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from npformer.config import RunConfig
from npformer.errors import NpformerError
from npformer.presets import run_preset
from npformer.train.run import run_training
from npformer.train.run_directory import load_checkpoint

RUN = Path(__file__).resolve().parents[1] / "runs" / "walkthroughs"
QUICK = os.environ.get("NPFORMER_QUICK") == "1"


def fewer_in_ci(number: int) -> int:
    """A quarter of the number where NPFORMER_QUICK is 1: enough to see that every cell runs."""
    return number // 4 if QUICK else number


UPDATES = 250 if QUICK else 500


def configuration() -> RunConfig:
    """The preset ``tiny``, cut to ``UPDATES`` updates."""
    preset = run_preset("tiny")
    train = dataclasses.replace(
        preset.train, updates=UPDATES, validate_every=UPDATES, checkpoint_every=50
    )
    pairs, tokens = preset.data.pairs, preset.data.batch_tokens
    data = dataclasses.replace(
        preset.data, pairs=fewer_in_ci(pairs), batch_tokens=fewer_in_ci(tokens)
    )
    return dataclasses.replace(preset, train=train, data=data)


def trained_run(run: Path = RUN, config: RunConfig | None = None) -> Path:
    """The directory of a finished run with this configuration; trains it if there is none.

    A lock makes chapters that are executed at the same time wait for one another. The run appears
    under its name when it is finished, so an interrupted one is begun again, and one of an older
    configuration is replaced.
    """
    config = configuration() if config is None else config
    run.parent.mkdir(parents=True, exist_ok=True)
    with _lock(run.with_name(f"{run.name}.lock")):
        if not _is_run_of(config, run):
            unfinished = run.with_name(f"{run.name}.unfinished")
            for old in (run, unfinished):
                shutil.rmtree(old, ignore_errors=True)
            run_training(config, unfinished, console=Console(file=io.StringIO()))
            unfinished.rename(run)
    return run


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system releases it when that process ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_run_of(config: RunConfig, run: Path) -> bool:
    try:
        found = load_checkpoint(run)[0].config
    except NpformerError:
        return False
    # The tokenizer decides the size of the vocabulary, after training on the corpus.
    model = dataclasses.replace(config.model, vocab_size=found.model.vocab_size)
    return found == dataclasses.replace(config, model=model)
