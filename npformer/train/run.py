"""A whole run from its configuration: prepare the data, make the engine, train or resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from npformer.config import RunConfig
from npformer.errors import CheckpointError, NpformerError
from npformer.fields import to_dict
from npformer.files.atomic import clean_up, write_file
from npformer.files.manifest import CONFIG, to_json
from npformer.text.tokenizer import Tokenizer
from npformer.train import engines
from npformer.train.checkpoint import Checkpoint, open_checkpoint
from npformer.train.engine import Engine
from npformer.train.loop import TrainResult, train
from npformer.train.prepare import Prepared, prepare
from npformer.train.ranks import Alone, Ranks
from npformer.train.run_directory import checkpoints, latest_checkpoint
from npformer.train.run_log import Listener

T = TypeVar("T")

MAY_CHANGE = {
    "engine",
    "updates",
    "workers",
    "ahead",
    "validate_every",
    "validation_pairs",
    "validation_beam",
    "checkpoint_every",
    "keep",
    "shards",
}
"""Fields that may differ when a run is resumed, beside those of how the twin runs."""


def run_training(
    config: RunConfig,
    directory: str | Path,
    *,
    resume: bool = False,
    make_engine: Callable[[RunConfig], Engine] | None = None,
    ranks: Ranks | None = None,
    listeners: Sequence[Listener] = (),
    console: Console | None = None,
) -> TrainResult:
    """Train as ``config`` says, leaving everything in ``directory`` (see ``run_directory.py``).

    ``config.model.vocab_size`` is set from the trained tokenizer. ``make_engine`` makes another
    engine than the one that ``config.train.engine`` names, from the final configuration. ``resume``
    continues from the newest whole checkpoint in ``directory``, under the same configuration except
    for ``MAY_CHANGE``. Each of many ``ranks`` calls this; they share the directory.

    Raises ``ConfigError``, ``CorpusError``, ``TokenizerError``, ``CheckpointError`` (also for a
    directory that holds another run) and ``NonFiniteError``.
    """
    directory, console, ranks = Path(directory), console or Console(), ranks or Alone()
    checkpoint = _first_alone(ranks, lambda: _open(directory, resume, console, ranks))
    tokenizer = Tokenizer.load(checkpoint.tokenizer_path) if checkpoint else None
    prepared: Prepared = _first_alone(ranks, lambda: prepare(config, tokenizer))
    config = prepared.config
    if checkpoint:
        check_same_run(checkpoint, config)
    for sentence in (*prepared.notes, prepared.summary()):
        console.print(escape(sentence), highlight=False, soft_wrap=True)
    if make_engine is None:
        engine = engines.make_engine(config, console=console, ranks=ranks)
    else:
        engine = make_engine(config)
    _first_alone(ranks, lambda: _make(directory, config, ranks))
    return train(
        config,
        directory,
        engine,
        prepared.batches,
        prepared.tokenizer.to_bytes(),
        prepared.validation,
        resume=checkpoint,
        ranks=ranks,
        listeners=listeners,
        console=console,
    )


def _first_alone(ranks: Ranks, work: Callable[[], T]) -> T:
    """The work's result, done by rank 0 while the others wait, and then by them.

    What one rank alone must do (make a directory, tokenise a corpus into shards) is ready when
    the others come to it. An error of rank 0 is raised on every rank.
    """
    if ranks.rank == 0:
        try:
            result = work()
        except NpformerError as error:
            ranks.gather(error)
            raise
        ranks.gather(None)
        return result
    failure = ranks.gather(None)[0]
    if failure:
        raise failure
    return work()


def check_same_run(checkpoint: Checkpoint, config: RunConfig) -> None:
    """Raise ``CheckpointError`` if ``config`` would train something else than the checkpoint's."""
    for part in dataclasses.fields(config):
        if part.name == "twin":
            continue
        then, now = (to_dict(c)[part.name] for c in (checkpoint.config, config))
        for name in then:
            if then[name] != now[name] and name not in MAY_CHANGE:
                raise CheckpointError(
                    f"{checkpoint.path} was made with {part.name}.{name} = {then[name]!r}, not "
                    f"{now[name]!r}: resume with the same, or train in another directory"
                )


def _open(directory: Path, resume: bool, console: Console, ranks: Ranks) -> Checkpoint | None:
    """The checkpoint to resume from; or None, if there is no run to run over."""
    if resume:
        if not directory.is_dir():
            raise CheckpointError(f"there is no run to resume: {directory} does not exist")
        if ranks.rank == 0:
            _clean(directory)
        path, warning = latest_checkpoint(directory)
        if warning:
            console.print(escape(f"warning: {warning}"), highlight=False, soft_wrap=True)
        return open_checkpoint(path, optimizer=True)
    if checkpoints(directory):
        raise CheckpointError(
            f"{directory} already holds a run: resume it, or train in another directory"
        )
    return None


def _make(directory: Path, config: RunConfig, ranks: Ranks) -> None:
    if ranks.rank:
        return
    try:
        (directory / "checkpoints").mkdir(parents=True, exist_ok=True)
        _clean(directory)
        write_file(directory / CONFIG, to_json(to_dict(config)))
    except OSError as error:
        raise CheckpointError(
            f"cannot make the run's directory {directory}: {error.strerror}"
        ) from error


def _clean(directory: Path) -> None:
    for parent in (directory, directory / "checkpoints"):
        clean_up(parent)
