"""Where a published model's parts lie, whatever the format of its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npformer.errors import CheckpointError
from npformer.ops.array import Array
from npformer.pretrained import safetensors_directory, torch_bin
from npformer.pretrained.gguf import read as gguf
from npformer.pretrained.names import CONFIG

GGUF = ".gguf"


@dataclass(frozen=True)
class Source:
    """A model as it is published."""

    path: Path
    config: dict[str, Any]
    """The fields of its config, as they are in the file."""
    tensors: Mapping[str, Array]
    """By the names in its files; each is read when asked for."""
    files: Mapping[str, bytes]
    """Its other small files by their names, such as its tokenizer's, each read when asked for."""
    said_in: Path
    """The file that its config is in."""


class Directory(Mapping[str, bytes]):
    """The files of a directory by their names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, name: str) -> bytes:
        """The bytes of a file; raises ``KeyError`` if there is none of that name."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self._path.iterdir() if path.is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)


READERS: tuple[Callable[[Path], Mapping[str, Array] | None], ...] = (
    safetensors_directory.read,
    torch_bin.read,
)
"""Each gives the tensors of a directory in its format, or None for one that has no such files."""


def open_source(path: Path | str) -> Source:
    """The parts of the model at ``path``: a directory with a ``config.json`` and its weights, or a
    GGUF file.

    Nothing is downloaded. Raises CheckpointError for a path that is none, a config that is no
    table of fields, and weights that are missing, damaged or in no known format; ConfigError for a
    GGUF file of an architecture that npformer has not.
    """
    path = Path(path)
    if path.suffix == GGUF and path.is_file():
        return Source(path, *gguf.read(path), said_in=path)
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise CheckpointError(
            f"{path} {what}; give the directory of a downloaded model, with its {CONFIG}, or a "
            f"{GGUF} file"
        )
    if not (path / CONFIG).exists() and (found := sorted(path.glob(f"*{GGUF}"))):
        raise CheckpointError(f"{path} has no {CONFIG}; give the file itself: {found[0]}")
    config = read_json(path / CONFIG)
    if "model_type" not in config:
        own = "; it is a run of npformer's own, which needs no loading" if "model" in config else ""
        raise CheckpointError(f"{path / CONFIG} names no model_type{own}")
    for read in READERS:
        if (tensors := read(path)) is not None:
            return Source(path, config, tensors, Directory(path), path / CONFIG)
    raise CheckpointError(
        f"{path} holds no weights that npformer reads; there must be model.safetensors, its shards "
        "with their model.safetensors.index.json, or pytorch_model.bin"
    )


def read_json(path: Path) -> dict[str, Any]:
    """The table in a JSON file. Raises CheckpointError for a file that is missing or another."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no table of fields")
    return found
