"""What a directory of shards says of itself, in ``manifest.json``.

The file ends with the sha256 of what stands before it, and is written in one way only, so that no
byte of it can change unseen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npformer.config import DataConfig
from npformer.errors import CorpusError

FORMAT, VERSION = "npformer shards", 1
MANIFEST, TOKENIZER, VALIDATION = "manifest.json", "tokenizer.json", "validation.jsonl"

DECISIVE = (
    "corpus",
    "validation",
    "pairs",
    "source_language",
    "target_language",
    "columns",
    "tokenizer",
    "vocab_size",
    "max_length",
)
"""Fields of ``DataConfig`` that decide what the shards hold."""


@dataclass(frozen=True)
class File:
    """A file as it was written."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """The rows of the corpus that went into one shard, and what became of them."""

    rows: int
    """Rows of the corpus that were read."""
    pairs: int
    """Pairs that the shard holds."""
    too_long: int
    """Pairs left out for a side over ``max_length``."""
    empty: int
    """Pairs passed over because a side is empty."""
    shared: int
    """Pairs passed over because validation has their source or target too."""
    held_out: int
    """Pairs that validate."""
    ids: int
    """Tokens of all sources and targets, without EOS and BOS."""
    text: int
    """CRC-32 of the rows: whether the corpus is still the same when it is read again."""


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds."""

    data: dict[str, Any]
    """The ``DECISIVE`` fields of the configuration."""
    rows_per_shard: int
    complete: bool = False
    rows: int = 0
    """Rows of the corpus, to the last that training takes."""
    taken: int = 0
    """Pairs of them that training takes, the too long ones too."""
    learnt_from: int = 0
    """Pairs of them that the tokenizer was trained on; 0 if it came from elsewhere."""
    dtype: str = "uint16"
    """Of the ids."""
    files: dict[str, File] = field(default_factory=dict)
    """Every other file by name."""
    shards: tuple[Shard, ...] = ()

    def total(self, what: str) -> int:
        """The sum of one field over all shards."""
        return sum(getattr(shard, what) for shard in self.shards)

    def check_settings(self, directory: Path, data: DataConfig) -> None:
        """Raise ``CorpusError`` if the shards were made with other settings than ``data``."""
        for name, now in decisive(data).items():
            then = self.data.get(name, getattr(DataConfig, name))  # older shards lack new fields
            if then != now:
                option = "--" + name.replace("_", "-")
                raise CorpusError(
                    f"the shards in {directory} were made with {option} {then!r}, not "
                    f"{now!r}: give the same, or name another directory"
                )

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``."""
        values = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self)}
        values["sha256"] = hashlib.sha256(_dump(values)).hexdigest()
        return _dump(values)


def decisive(data: DataConfig) -> dict[str, Any]:
    """The fields that decide what the shards hold."""
    return {name: getattr(data, name) for name in DECISIVE}


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a directory of shards.

    Raises ``CorpusError`` if there is none, or it is damaged or of another format.
    """
    path = directory / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        why = "does not exist" if not directory.exists() else f"has no {MANIFEST} to read"
        raise CorpusError(
            f"{directory} holds no shards: it {why}; make them with npformer shard {directory}"
        ) from error
    try:
        values = json.loads(content)
        kind, version = values.pop("format"), values.pop("version")
        if kind == FORMAT and version != VERSION:
            raise CorpusError(
                f"the shards in {directory} are of format version {version}; this npformer reads "
                f"version {VERSION}: make them again in another directory"
            )
        del values["sha256"]
        values["files"] = {name: File(**file) for name, file in values["files"].items()}
        values["shards"] = tuple(Shard(**shard) for shard in values["shards"])
        manifest = Manifest(**values)
        whole = kind == FORMAT and manifest.to_bytes() == content
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, CorpusError):
            raise
        whole = False
    if not whole:
        raise CorpusError(
            f"{path} is damaged, or npformer did not write it; make the shards again in another "
            "directory"
        )
    return manifest


def _dump(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
