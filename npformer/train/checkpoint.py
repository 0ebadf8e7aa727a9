"""One checkpoint: a directory that holds all of a run at one update, whole or not at all.

    model.safetensors      weights by path, readable by both engines
    optimizer.safetensors  the optimizer's arrays (not in an average)
    config.json            the RunConfig
    tokenizer.json         the tokenizer
    state.json             update, position in the data, seed
    manifest.json          format version; size and sha256 of every other file

There is no random state to keep: every draw follows from the seed and the update's number. There
is no pickle, so that loading a stranger's checkpoint runs no code of theirs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from npformer.config import RunConfig, from_dict, to_dict
from npformer.errors import CheckpointError, ConfigError
from npformer.train.atomic import write_directory

Array = np.ndarray

FORMAT, VERSION = "npformer checkpoint", 1
MANIFEST = "manifest.json"
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"
CONFIG, TOKENIZER, STATE = "config.json", "tokenizer.json", "state.json"
NEEDED = (MODEL, CONFIG, TOKENIZER, STATE)


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
    weights: dict[str, Array]
    """Arrays by parameter path, as ``Module.load_state_dict`` takes them."""
    optimizer: dict[str, Array]
    """The optimizer's arrays; empty in an average, or when not asked for."""
    tokenizer: bytes
    """The content of ``tokenizer.json``, which ``tokenizer_path`` holds."""
    position: Position
    notes: dict[str, Any]
    """What else ``state.json`` says: the seed; of an average, its updates and losses."""

    @property
    def tokenizer_path(self) -> Path:
        """For ``Tokenizer.load``."""
        return self.path / TOKENIZER

    def engine_state(self) -> dict[str, Array]:
        """Weights and optimizer as ``Engine.restore`` takes them."""
        return {
            **{f"model/{name}": array for name, array in self.weights.items()},
            **{f"optim/{name}": array for name, array in self.optimizer.items()},
        }


def save_checkpoint(
    path: Path,
    config: RunConfig,
    state: Mapping[str, Array],
    tokenizer: bytes,
    position: Position,
    **notes: Any,
) -> None:
    """Write a checkpoint at ``path``, replacing an older one there only once it is whole.

    ``state``: ``model/...`` and ``optim/...`` arrays, as ``Engine.state`` gives. Raises
    ``CheckpointError`` if it cannot be written, a full disk for example; then nothing new stays.
    """
    parts: dict[str, dict[str, Array]] = {"model": {}, "optim": {}}
    for key, array in state.items():
        kind, _, name = key.partition("/")
        parts[kind][name] = np.asarray(array, order="C")
    about = {**dataclasses.asdict(position), "seed": config.train.seed, **notes}
    files = {MODEL: safetensors.numpy.save(parts["model"])}
    if parts["optim"]:
        files[OPTIMIZER] = safetensors.numpy.save(parts["optim"])
    files |= {CONFIG: to_json(to_dict(config)), TOKENIZER: tokenizer, STATE: to_json(about)}
    files[MANIFEST] = to_json(
        {
            "format": FORMAT,
            "version": VERSION,
            "files": {
                name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            },
        }
    )
    try:
        write_directory(path, files)
    except OSError as error:
        size = sum(map(len, files.values()))
        raise CheckpointError(
            f"cannot save the checkpoint {path}: {error.strerror or error}; it needs "
            f"{size:,} bytes. Earlier checkpoints are as they were; make room and resume"
        ) from error


def read_checkpoint(path: Path, *, optimizer: bool = False) -> Checkpoint:
    """Read the checkpoint directory ``path`` and check it against its manifest.

    The optimizer's file is read only if asked for. Raises ``CheckpointError`` for a directory
    that is missing or foreign, lacks a file, was cut short or altered, was written by a newer
    npformer, or holds a configuration that this one does not know.
    """
    manifest = _read_manifest(path)
    wanted = [name for name in manifest if name != OPTIMIZER or optimizer]
    files = {name: _read_file(path, name, manifest[name]) for name in wanted}
    try:
        config = from_dict(RunConfig, json.loads(files[CONFIG]))
        about = dict(json.loads(files[STATE]))
        places = {f.name: about.pop(f.name) for f in dataclasses.fields(Position)}
        weights = safetensors.numpy.load(files[MODEL])
        moments = safetensors.numpy.load(files[OPTIMIZER]) if OPTIMIZER in files else {}
    except (ConfigError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the checkpoint {path} cannot be understood: {error}") from error
    return Checkpoint(
        path, config, weights, moments, files[TOKENIZER], Position(**places), notes=about
    )


def check_whole(path: Path) -> None:
    """Raise ``CheckpointError`` unless every file of the checkpoint is as the manifest says."""
    for name, facts in _read_manifest(path).items():
        _read_file(path, name, facts)


def to_json(value: Any) -> bytes:
    """Indented JSON that ends in a newline."""
    return (json.dumps(value, indent=2) + "\n").encode()


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint directory {path}")
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} is not a checkpoint of npformer, or not a whole one: it has no {MANIFEST}"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path / MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of npformer; its {MANIFEST} is foreign")
    version, files = manifest.get("version"), manifest.get("files")
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(
            f"{path} has format {version}, of a newer npformer; this one reads up to {VERSION}: "
            "upgrade to load it"
        )
    if version != VERSION or not isinstance(files, dict):
        raise CheckpointError(f"{path / MANIFEST} is damaged: {version!r} is no format version")
    for name in NEEDED:
        if name not in files:
            raise CheckpointError(f"{path / MANIFEST} is damaged: it does not list {name}")
    for name, facts in files.items():
        if (
            Path(name).name != name
            or not isinstance(facts, dict)
            or facts.keys() != {"bytes", "sha256"}
        ):
            raise CheckpointError(f"{path / MANIFEST} is damaged: its entry {name!r} is malformed")
    return files


def _read_file(path: Path, name: str, facts: Mapping[str, Any]) -> bytes:
    try:
        content = (path / name).read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"the checkpoint {path} lacks its {name}") from None
    except OSError as error:
        raise CheckpointError(f"{path / name} cannot be read: {error.strerror}") from error
    if len(content) != facts["bytes"]:
        raise CheckpointError(
            f"{path / name} is damaged: it has {len(content)} bytes, "
            f"the manifest says {facts['bytes']}"
        )
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise CheckpointError(
            f"{path / name} is damaged: its content does not match the manifest's sha256"
        )
    return content
