"""One checkpoint: a directory that holds all of a run at one update, whole or not at all.

    model.safetensors      weights by path, readable by both engines
    optimizer.safetensors  the optimizer's arrays (not in an average)
    config.json            the RunConfig
    tokenizer.json         the tokenizer
    state.json             update, position in the data, seed
    manifest.json          format version; size and sha256 of every other file

There is no random state to keep: every draw follows from the seed and the update's number. There
is no pickle, so that loading a stranger's checkpoint runs no code of theirs. Nothing tells who
wrote it: one process, or many that hold a share of every array, leave the same bytes.
"""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from npformer.config import RunConfig
from npformer.errors import CheckpointError, ConfigError, NonFiniteError, NpformerError, RankError
from npformer.fields import to_dict
from npformer.files.array_file import Array, ArrayFile, form_of, write_arrays
from npformer.files.atomic import abandon_directory, begin_directory, finish_directory
from npformer.files.manifest import (
    CONFIG,
    MODEL,
    OPTIMIZER,
    STATE,
    TOKENIZER,
    check_file,
    read_manifest,
    seal,
    to_json,
)
from npformer.train.ranks import Alone, Ranks
from npformer.train.run_config import run_config

T = TypeVar("T")

ARRAYS = {"model": MODEL, "optim": OPTIMIZER}
"""The file of each kind of array, by the first part of its name."""


@dataclass(frozen=True)
class Position:
    """Where a run stands; with the seed, all that decides what comes next."""

    update: int = 0
    """Updates made."""
    epoch: int = 0
    """Pass over the training pairs, from 0."""
    index: int = 0
    """Batches of that pass already used."""
    tokens: int = 0
    """Target tokens trained on since the start."""
    seconds: float = 0.0
    """Time spent since the start, over all resumptions."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and found whole."""

    path: Path
    config: RunConfig
    weights: Mapping[str, Array]
    """Arrays by parameter path, as ``Module.load_state_dict`` takes them."""
    optimizer: Mapping[str, Array]
    """The optimizer's arrays; empty in an average, or when not asked for."""
    tokenizer: bytes
    """The content of ``tokenizer.json``, which ``tokenizer_path`` holds."""
    position: Position
    notes: dict[str, Any]
    """What else ``state.json`` says: the seed, the data (``data_record.py``), what it scored on the
    validation pairs; of an average also its checkpoints, and the loss of the last of them."""
    why: str = ""
    """What it is among the checkpoints of its run, and why it was chosen (``recommend.py``)."""

    @property
    def tokenizer_path(self) -> Path:
        """For ``load_tokenizer``."""
        return self.path / TOKENIZER

    def engine_state(self) -> Mapping[str, Array]:
        """Weights and optimizer as ``Engine.restore`` takes them; no copy is made of them all."""
        return _EngineState({"model": self.weights, "optim": self.optimizer})


class _EngineState(Mapping[str, Array]):
    """``model/...`` and ``optim/...`` arrays, each fetched when asked for."""

    def __init__(self, parts: dict[str, Mapping[str, Array]]) -> None:
        self._parts = parts

    def __getitem__(self, key: str) -> Array:
        kind, _, name = key.partition("/")
        return self._parts[kind][name]

    def __iter__(self) -> Iterator[str]:
        return (f"{kind}/{name}" for kind, part in self._parts.items() for name in part)

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))


def save_checkpoint(
    path: Path,
    config: RunConfig,
    write: Callable[[Path], None],
    tokenizer: bytes,
    position: Position,
    *,
    ranks: Ranks | None = None,
    **notes: Any,
) -> None:
    """Write a checkpoint at ``path``, replacing an older one there only once it is whole.

    ``write`` puts the files of arrays into the directory that it is given, as ``Engine.save`` and
    ``save_arrays`` do. Collective: every rank calls it, and rank 0 does the rest.

    Raises, on every rank alike, ``CheckpointError`` if something cannot be written, by a full disk
    for example, and ``NonFiniteError`` for an array that is not finite. Then nothing new stays.
    """
    ranks = ranks or Alone()
    first = ranks.rank == 0
    about = {**dataclasses.asdict(position), "seed": config.train.seed, **notes}
    files = {CONFIG: to_json(to_dict(config)), TOKENIZER: tokenizer, STATE: to_json(about)}

    def begin() -> str:
        return str(begin_directory(path)) if first else ""

    def look() -> None:
        """Raises ``CheckpointError`` if this rank does not see the directory."""
        if not temporary.is_dir():
            raise CheckpointError(
                f"cannot save the checkpoint {path}: rank {ranks.rank} does not see {temporary}; "
                "all ranks must write to one file system, under the same path"
            )

    def finish() -> None:
        if first:
            seal(temporary, files)
            finish_directory(path)

    try:
        temporary = Path(_together(ranks, path, begin))
        _together(ranks, path, look)
        _together(ranks, path, lambda: write(temporary))
        _together(ranks, path, finish)
    except BaseException as error:
        if first:
            abandon_directory(path)
        if isinstance(error, NonFiniteError):
            raise NonFiniteError(f"{error} after update {position.update}; not saved") from error
        raise


def save_arrays(directory: Path, state: Mapping[str, Array]) -> None:
    """Write whole arrays, ``model/...`` and perhaps ``optim/...``, as a checkpoint's files.

    Raises ``NonFiniteError`` that names an array with a NaN or an infinity, and ``OSError``.
    """
    parts: dict[str, dict[str, Array]] = {kind: {} for kind in ARRAYS}
    for key, array in state.items():
        kind, _, name = key.partition("/")
        parts[kind][name] = array
        if not np.isfinite(array).all():
            raise NonFiniteError(f"{key!r} is not finite")
    for kind, arrays in parts.items():
        if arrays or kind == "model":
            forms = {name: form_of(array) for name, array in arrays.items()}
            write_arrays(directory / ARRAYS[kind], forms, arrays.__getitem__)


def read_checkpoint(path: Path, *, optimizer: bool = False) -> Checkpoint:
    """Read the checkpoint directory ``path`` and check it against its manifest.

    The optimizer's file is read only if asked for. Raises ``CheckpointError`` for a directory
    that is missing or foreign, lacks a file, was cut short or altered, was written by a newer
    npformer, or holds a configuration that this one does not know.
    """
    found = open_checkpoint(path, optimizer=optimizer)
    return dataclasses.replace(found, weights=dict(found.weights), optimizer=dict(found.optimizer))


def open_checkpoint(path: Path, *, optimizer: bool = False) -> Checkpoint:
    """As ``read_checkpoint``, but each array is read from its file only when asked for.

    Raises ``CheckpointError`` as that does.
    """
    manifest = read_manifest(path)
    for name in manifest:
        if name != OPTIMIZER or optimizer:
            check_file(path, name, manifest[name])
    try:
        files = {name: (path / name).read_bytes() for name in (CONFIG, TOKENIZER, STATE)}
        config = run_config(json.loads(files[CONFIG]))
        about = dict(json.loads(files[STATE]))
        places = {f.name: about.pop(f.name) for f in dataclasses.fields(Position)}
    except (OSError, ConfigError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be understood: {error}") from error
    moments = ArrayFile(path / OPTIMIZER) if OPTIMIZER in manifest and optimizer else {}
    weights = ArrayFile(path / MODEL)
    return Checkpoint(
        path, config, weights, moments, files[TOKENIZER], Position(**places), notes=about
    )


def check_whole(path: Path) -> None:
    """Raise ``CheckpointError`` unless every file of the checkpoint is as the manifest says."""
    for name, facts in read_manifest(path).items():
        check_file(path, name, facts)


def _together(ranks: Ranks, path: Path, work: Callable[[], T]) -> T:
    """Do ``work`` on every rank; what rank 0 made, or the error of any, raised on all of them."""
    result: T | None = None
    failure: NpformerError | None = None
    try:
        result = work()
    except RankError:
        raise  # there is nobody left to tell
    except NpformerError as error:
        failure = error
    except OSError as error:
        failure = _unsaved(path, error)
    told = ranks.gather([failure, result])
    for one, _ in told:
        if one:
            raise one
    first: T = told[0][1]
    return first


def _unsaved(path: Path, error: OSError) -> CheckpointError:
    """A ``CheckpointError`` that says what the system said, and what to do."""
    advice = "see that its directory can be written to"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        advice = "make room, or keep fewer checkpoints with --keep,"
    return CheckpointError(
        f"cannot save the checkpoint {path}: {error.strerror or error}. Earlier checkpoints are as "
        f"they were; {advice} and continue with --resume"
    )
