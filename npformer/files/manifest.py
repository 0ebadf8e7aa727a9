"""What makes a directory a checkpoint: its files' names, and the manifest that vouches for them.

The manifest gives the size and sha256 of every other file. It is written last, and read first:
without it, or with a byte of any file altered, there is no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npformer.errors import CheckpointError

FORMAT, VERSION = "npformer checkpoint", 1
MANIFEST = "manifest.json"
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"
CONFIG, TOKENIZER, STATE = "config.json", "tokenizer.json", "state.json"
NEEDED = (MODEL, CONFIG, TOKENIZER, STATE)


def seal(directory: Path, files: Mapping[str, bytes]) -> None:
    """Add the small ``files`` to those of arrays, and the manifest of them all. Raises OSError."""
    for name, content in files.items():
        (directory / name).write_bytes(content)
    facts = {
        name: {"bytes": (directory / name).stat().st_size, "sha256": sha256_of(directory / name)}
        for name in (MODEL, OPTIMIZER, *files)
        if (directory / name).exists()
    }
    manifest = {"format": FORMAT, "version": VERSION, "files": facts}
    (directory / MANIFEST).write_bytes(to_json(manifest))


def to_json(value: Any) -> bytes:
    """Indented JSON that ends in a newline."""
    return (json.dumps(value, indent=2) + "\n").encode()


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The size and sha256 of each file of the checkpoint at ``path``.

    Raises ``CheckpointError`` if there is none, or one that is foreign, damaged, or newer.
    """
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint directory {path}")
    try:
        content = (path / MANIFEST).read_bytes()
        manifest = json.loads(content)
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
    if content != to_json(manifest):  # no checksum stands for this file itself
        raise CheckpointError(f"{path / MANIFEST} is damaged: it was altered since it was written")
    return files


def check_file(path: Path, name: str, facts: Mapping[str, Any]) -> None:
    """Raise ``CheckpointError`` unless a file is there with the size and sha256 of the manifest."""
    try:
        size, digest = (path / name).stat().st_size, sha256_of(path / name)
    except FileNotFoundError:
        raise CheckpointError(f"the checkpoint {path} lacks its {name}") from None
    except OSError as error:
        raise CheckpointError(f"{path / name} cannot be read: {error.strerror}") from error
    if size != facts["bytes"]:
        raise CheckpointError(
            f"{path / name} is damaged: it has {size} bytes, the manifest says {facts['bytes']}"
        )
    if digest != facts["sha256"]:
        raise CheckpointError(
            f"{path / name} is damaged: its content does not match the manifest's sha256"
        )
