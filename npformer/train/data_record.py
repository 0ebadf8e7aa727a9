"""What a run was trained and validated on, so that another corpus under its name is noticed.

Two kinds of digest. Of the *pairs*: the training pairs as token ids in their order, the validation
pairs as text. They are the same wherever the corpus stands, however it is compressed, and in memory
as in shards, and they decide whether a run may be resumed. Of the *files*: size and sha256, which
tell without reading a corpus as pairs that it has changed.

RUN/corpus.json       the record; every checkpoint has a copy in its state.json
RUN/validation.jsonl  the validation pairs, so that they can be scored without the corpus
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npformer.config import DataConfig
from npformer.errors import CheckpointError
from npformer.files.atomic import write_file
from npformer.files.manifest import sha256_of, to_json
from npformer.text.corpus import ParallelCorpus
from npformer.text.pairs import Sequences
from npformer.text.pairs_file import pairs_to_bytes
from npformer.text.shard_manifest import MANIFEST
from npformer.train.checkpoint import Checkpoint
from npformer.train.prepared import Prepared

CORPUS, VALIDATION = "corpus.json", "validation.jsonl"
NOTE = "data"
"""What ``Checkpoint.notes`` calls the record."""
UNKNOWN = (
    "was made before npformer kept a record of a run's data: whether its corpus is still the one "
    "that it was trained on cannot be known"
)
_CHUNK = 65_536  # pairs hashed at a time


@dataclass(frozen=True)
class PairsDigest:
    """So many pairs, and the sha256 of them all in their order."""

    pairs: int
    sha256: str


@dataclass(frozen=True)
class SourceFile:
    """A file that pairs were read from."""

    name: str
    """As the configuration names it."""
    bytes: int
    sha256: str

    def change(self) -> str:
        """How the file differs now, in words; "" if it does not, or is not there."""
        path = Path(self.name)
        if not path.is_file():
            return ""
        size = path.stat().st_size
        if size != self.bytes:
            return f"{self.bytes:,} bytes then, {size:,} now"
        return "" if sha256_of(path) == self.sha256 else "as many bytes, but others"


@dataclass(frozen=True)
class DataRecord:
    """The data of one run."""

    training: PairsDigest
    """Of the token ids of the pairs that are trained on."""
    validation: PairsDigest
    """Of the text of the validation pairs, without tags."""
    files: tuple[SourceFile, ...] = ()
    """Those read; none for the grammar and for data sets."""
    since: int = 0
    """The update at which this was noted: later than 0 in a run that an older npformer began."""

    @classmethod
    def of(cls, prepared: Prepared, since: int = 0) -> DataRecord:
        """Reads every pair, and every file, once."""
        return cls(
            training_digest(prepared.batches.pairs),
            validation_digest(prepared.validation_corpus),
            _files_of(prepared.config.data),
            since,
        )

    @classmethod
    def from_dict(cls, values: Any, where: Path) -> DataRecord:
        """The reverse of ``dataclasses.asdict``. Raises ``CheckpointError`` that says ``where``."""
        try:
            return cls(
                PairsDigest(**values["training"]),
                PairsDigest(**values["validation"]),
                tuple(SourceFile(**file) for file in values["files"]),
                values["since"],
            )
        except (TypeError, KeyError) as error:
            raise CheckpointError(f"{where} holds a record of its data that is damaged") from error

    def write(self, directory: Path, validation: ParallelCorpus) -> None:
        """Leave the record and the validation pairs in a run's directory. Raises ``OSError``."""
        write_file(directory / VALIDATION, pairs_to_bytes(validation))
        write_file(directory / CORPUS, to_json(dataclasses.asdict(self)))

    def check_same(self, now: DataRecord, data: DataConfig, whose: str) -> None:
        """Raise ``CheckpointError`` if ``data`` gives others than the pairs of this record.

        ``whose`` record this is, in words.
        """
        for what, spec, then, found in (
            ("training", data.corpus, self.training, now.training),
            ("validation", data.validation or data.corpus, self.validation, now.validation),
        ):
            if then == found:
                continue
            spec = data.shards or spec
            how = (
                f"{then.pairs:,} then, {found.pairs:,} now"
                if then.pairs != found.pairs
                else "as many, but others or in another order"
            )
            raise CheckpointError(
                f"the {what} pairs of {spec} are not those of {whose} ({how}), so it has changed, "
                "or is another corpus: bring the old one back, say where it is now, or train in "
                "another directory"
            )

    def changed_files(self) -> list[str]:
        """A sentence for each file that is there and is another one now, without its stop."""
        changes = ((file.name, file.change()) for file in self.files)
        return [f"{name} has changed since training ({how})" for name, how in changes if how]


def record_of(checkpoint: Checkpoint) -> DataRecord | None:
    """The record in a checkpoint; None in one of an older npformer. Raises ``CheckpointError``."""
    if NOTE not in checkpoint.notes:
        return None
    return DataRecord.from_dict(checkpoint.notes[NOTE], checkpoint.path)


def read_record(directory: Path) -> DataRecord | None:
    """The record in a run's directory; None if it has none. Raises ``CheckpointError``."""
    path = directory / CORPUS
    try:
        return DataRecord.from_dict(json.loads(path.read_bytes()), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def training_digest(pairs: Sequences) -> PairsDigest:
    """Of lengths and ids, pair by pair in their order; the same in memory and in shards."""
    digest = hashlib.sha256()
    lengths = pairs.lengths()
    for start in range(0, len(pairs), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(pairs)))
        for part in (lengths[rows], *(side.ids for side in pairs.gather(rows))):
            digest.update(np.ascontiguousarray(part, "<i4").data)
    return PairsDigest(len(pairs), digest.hexdigest())


def validation_digest(corpus: ParallelCorpus) -> PairsDigest:
    """Of sources and targets in their order."""
    digest = hashlib.sha256()
    for pair in zip(corpus.source, corpus.target, strict=True):
        digest.update((json.dumps(pair) + "\n").encode())
    return PairsDigest(len(corpus), digest.hexdigest())


def source_files(spec: str) -> list[SourceFile]:
    """The files that a corpus is read from, as far as it is in files that can be read twice."""
    found = ((name, Path(name)) for name in _paths(spec.removeprefix("hf:")))
    return [
        SourceFile(name, path.stat().st_size, sha256_of(path))
        for name, path in found
        if path.is_file()
    ]


def _paths(spec: str) -> list[str]:
    """What of a corpus is there: one path, or two with a comma between them."""
    names = [spec] if Path(spec).exists() else spec.split(",")
    return [name for name in names if name and Path(name).exists()]


def is_missing(spec: str) -> bool:
    """Whether a corpus should be in files of which none is there."""
    return spec != "grammar" and not spec.startswith("hf:") and not _paths(spec)


def _files_of(data: DataConfig) -> tuple[SourceFile, ...]:
    if data.shards:
        return tuple(source_files(str(Path(data.shards) / MANIFEST)))  # it vouches for the others
    return tuple(file for spec in (data.corpus, data.validation) for file in source_files(spec))
