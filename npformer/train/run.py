"""A whole run from its configuration: prepare the data, make the engine, train or resume."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from npformer.config import RunConfig
from npformer.errors import CheckpointError, CorpusError, NpformerError, counted, require
from npformer.fields import to_dict
from npformer.files.atomic import clean_up, write_file
from npformer.files.manifest import CONFIG, MANIFEST, to_json
from npformer.text.published_tokenizer import load_tokenizer
from npformer.text.tokenizer import Tokenizer
from npformer.train import engines
from npformer.train.beginning import NOTES, Beginning
from npformer.train.checkpoint import Checkpoint, open_checkpoint
from npformer.train.data_record import NOTE, UNKNOWN, DataRecord, is_missing, record_of
from npformer.train.engine import Engine
from npformer.train.loop import TrainResult, train
from npformer.train.prepare import prepare
from npformer.train.prepared import Prepared
from npformer.train.ranks import Alone, Ranks
from npformer.train.references import give_references
from npformer.train.run_directory import averaged_path, begun, checkpoints, latest_checkpoint
from npformer.train.run_lock import sole_writer
from npformer.train.run_log import Listener

T = TypeVar("T")

ELSEWHERE = {"corpus", "validation"}
"""Fields of ``DataConfig`` that may differ too: the pairs must be the same, not their place."""

MAY_CHANGE = {
    "engine",
    "updates",
    "workers",
    "ahead",
    "checkpoint_activations",
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
    beginning: Beginning | None = None,
    make_engine: Callable[[RunConfig], Engine] | None = None,
    same_data: tuple[DataRecord, str] | None = None,
    ranks: Ranks | None = None,
    listeners: Sequence[Listener] = (),
    console: Console | None = None,
) -> TrainResult:
    """Train as ``config`` says, leaving everything in ``directory`` (see ``run_directory.py``).

    ``config.model.vocab_size`` is set from the trained tokenizer. ``make_engine`` makes another
    engine than the one that ``config.train.engine`` names, from the final configuration. ``resume``
    continues from the newest whole checkpoint in ``directory``, under the same configuration except
    for ``MAY_CHANGE``, and on the same pairs, wherever they are now. ``same_data`` is a record of
    the pairs that it must have, and whose they are. A new run may begin with a trained model, its
    ``beginning``, whose configuration ``config.model`` is, and whose tokenizer it keeps. Each of
    many ``ranks`` calls this; they share the directory, which no other process may write to
    meanwhile.

    Raises ``ConfigError``, ``CorpusError``, ``TokenizerError``, ``CheckpointError`` (also for a
    directory that holds another run or that another process trains in, and for other pairs than
    the run's) and ``NonFiniteError``.
    """
    directory, console, ranks = Path(directory), console or Console(), ranks or Alone()
    if make_engine is None and config.train.engine == "torch":
        require("torch")
    if resume and not directory.is_dir():
        raise CheckpointError(f"there is no run to resume: {directory} does not exist")
    with contextlib.ExitStack() as stack:
        alone = sole_writer(directory) if ranks.rank == 0 else contextlib.nullcontext()
        _first_alone(ranks, lambda: stack.enter_context(alone))
        checkpoint = _first_alone(ranks, lambda: _open(directory, resume, console, ranks))
        tokenizer = beginning.tokenizer if beginning else None
        about = beginning.notes if beginning else {}
        if checkpoint:
            tokenizer, beginning = load_tokenizer(checkpoint.tokenizer_path), None
            about = {name: checkpoint.notes[name] for name in NOTES if name in checkpoint.notes}
        prepared: Prepared = _first_alone(
            ranks, lambda: _prepare(config, tokenizer, resumed=checkpoint is not None)
        )
        config = prepared.config
        if checkpoint:
            check_same_run(checkpoint, config)
        record = _first_alone(
            ranks, lambda: _record(prepared, checkpoint, same_data, console, ranks)
        )
        for sentence in (*prepared.notes, prepared.summary()):
            _say(console, sentence)
        if make_engine is None:
            weights = beginning.weights if beginning else None
            engine = engines.make_engine(config, console=console, ranks=ranks, weights=weights)
        else:
            engine = make_engine(config)
        _first_alone(ranks, lambda: _make(directory, prepared, record))
        give_references(
            prepared, config.preferences, engine, directory, ranks, resumed=checkpoint is not None
        )
        return train(
            config,
            directory,
            engine,
            prepared.batches,
            prepared.tokenizer.to_bytes(),
            prepared.validation,
            resume=checkpoint,
            notes={**about, **({NOTE: dataclasses.asdict(record)} if record else {})},
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
    free = MAY_CHANGE | (ELSEWHERE if NOTE in checkpoint.notes else set())
    for part in dataclasses.fields(config):
        if part.name == "twin":
            continue
        then, now = (to_dict(c)[part.name] for c in (checkpoint.config, config))
        for name in then:
            if then[name] != now[name] and name not in free:
                raise CheckpointError(
                    f"{checkpoint.path} was made with {part.name}.{name} = {then[name]!r}, not "
                    f"{now[name]!r}: resume with the same, or train in another directory"
                )


def _open(directory: Path, resume: bool, console: Console, ranks: Ranks) -> Checkpoint | None:
    """The checkpoint to resume from; or None, if there is no run to run over."""
    if resume:
        if ranks.rank == 0:
            _clean(directory)
        path, warning = latest_checkpoint(directory)
        if warning:
            _say(console, f"warning: {warning}")
        return open_checkpoint(path, optimizer=True)
    if ranks.rank == 0:
        if (directory / MANIFEST).exists():
            raise CheckpointError(
                f"{directory} is a checkpoint by itself; train in another directory"
            )
        if checkpoints(directory) or averaged_path(directory).exists():
            raise CheckpointError(
                f"{directory} already holds a run: resume it (--resume), or train in another "
                "directory"
            )
        if update := begun(directory):
            _say(
                console,
                f"{directory} holds {counted(update, 'update')} of a run that ended "
                "before its first checkpoint; it begins again",
            )
    return None


def _prepare(config: RunConfig, tokenizer: Tokenizer | None, *, resumed: bool) -> Prepared:
    try:
        return prepare(config, tokenizer)
    except CorpusError as error:
        for option in ("corpus", "validation"):
            spec = getattr(config.data, option)
            if resumed and spec and is_missing(spec):
                raise CorpusError(
                    f"{error}; if it was moved, --{option} says where it is"
                ) from error
        raise


def _record(
    prepared: Prepared,
    checkpoint: Checkpoint | None,
    same_data: tuple[DataRecord, str] | None,
    console: Console,
    ranks: Ranks,
) -> DataRecord | None:
    """The record of the data, compared with what it must be; None on all ranks but the first."""
    if ranks.rank:
        return None
    since = 0
    if checkpoint:
        then = record_of(checkpoint)
        same_data = (then, str(checkpoint.path)) if then else None
        since = then.since if then else checkpoint.position.update
        if not then:
            _say(console, f"warning: {checkpoint.path} {UNKNOWN}")
    record = DataRecord.of(prepared, since)
    if same_data:
        then, whose = same_data
        then.check_same(record, prepared.config.data, whose)
    return record


def _make(directory: Path, prepared: Prepared, record: DataRecord | None) -> None:
    if record is None:
        return
    try:
        (directory / "checkpoints").mkdir(parents=True, exist_ok=True)
        _clean(directory)
        record.write(directory, prepared.validation_corpus)
        write_file(directory / CONFIG, to_json(to_dict(prepared.config)))
    except OSError as error:
        raise CheckpointError(
            f"cannot make the run's directory {directory}: {error.strerror}"
        ) from error


def _clean(directory: Path) -> None:
    for parent in (directory, directory / "checkpoints"):
        clean_up(parent)


def _say(console: Console, text: str) -> None:
    console.print(escape(text), highlight=False, soft_wrap=True)
