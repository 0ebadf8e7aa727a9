"""Tokenised pairs on disk: memory-mapped shards, of which a batch reads the rows that it needs.

A directory of shards is all that training needs of a corpus; the corpus itself can be elsewhere:

    manifest.json       what it was made from; size and sha256 of every other file
    tokenizer.json      the tokenizer
    validation.jsonl    the validation pairs as text, one [source, target, tag] a line
    lengths-00000.npy   (pairs, 2) int32: tokens of source and target, without EOS or BOS
    ids-00000.npy       (ids,) uint16, or int32 for a vocabulary over 65,536: source, target,
                        source, target, ...

and so on for each shard; NumPy opens the arrays as they are. Sizes are checked when the directory
is opened, the ids of a shard when they are first used, everything by ``check_shards``.
``npformer.train.make_shards`` writes such a directory.

In memory are a pair's two lengths and its place: 16 bytes. ``Batches`` adds the order of the
epoch, 8 bytes, and 8 more while it makes one: 144 MB for the 4.5 million pairs of WMT 2014.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.text.corpus import ParallelCorpus
from npformer.text.pairs import Ragged, spans
from npformer.text.pairs_file import pairs_from_bytes
from npformer.text.shard_manifest import TOKENIZER, VALIDATION, File, Manifest, read_manifest
from npformer.text.tokenizer import BOS, EOS, PAD, Tokenizer


class ShardedPairs:
    """The training pairs of a whole directory of shards; what ``Batches`` needs of pairs.

    Raises ``CorpusError`` if something is missing, damaged, unfinished or, where ``data`` is
    given, made with other settings. Threads may share it.
    """

    begin = BOS
    pad = PAD

    def __init__(self, directory: str | Path, data: DataConfig | None = None) -> None:
        self.directory = Path(directory)
        self.notes: tuple[str, ...] = ()
        """What reading the corpus decided by itself, if these shards were made just now."""
        self.manifest = read_manifest(self.directory)
        if data is not None:
            self.manifest.check_settings(self.directory, data)
        if not self.manifest.complete:
            raise CorpusError(
                f"the shards in {self.directory} are unfinished; continue with: "
                f"npformer shard {self.directory}"
            )
        for name, file in self.manifest.files.items():
            check_size(self.directory / name, file)
        self._ids: list[np.ndarray | None] = [None] * len(self.manifest.shards)
        counts = [shard.pairs for shard in self.manifest.shards]
        self._first = np.cumsum([0, *counts])  # (shards + 1,) the first pair of each, and the end
        self._lengths = np.empty((int(self._first[-1]), 2), np.int32)  # with EOS or BOS
        self._starts = np.empty(len(self._lengths), np.int64)  # in the shard's ids
        for number in range(len(counts)):
            self._read_lengths(number)

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def left_out(self) -> int:
        """Pairs of which a side is longer than ``data.max_length``."""
        return sum(shard.too_long for shard in self.manifest.shards)

    @property
    def bytes(self) -> int:
        """Size of the directory's files on disk."""
        return sum(file.bytes for file in self.manifest.files.values())

    def lengths(self) -> np.ndarray:
        """(pairs, 2) int32: tokens of source and target as a batch holds them, EOS or BOS too."""
        return self._lengths

    def gather(self, rows: np.ndarray) -> tuple[Ragged, Ragged]:
        """Source and target of the pairs at ``rows``, in the order of ``rows``."""
        rows = np.asarray(rows, np.int64)
        sizes = self._lengths[rows].astype(np.int64) - 1  # (B, 2)
        both = sizes.sum(axis=1)
        # One read a shard: its pairs are brought together, and put in order again afterwards.
        shards = np.searchsorted(self._first, rows, side="right") - 1
        order = np.argsort(shards, kind="stable")
        places = spans(self._starts[rows[order]], both[order])
        ends = np.cumsum(both[order])
        ids = np.empty(places.size, np.int32)
        numbers, firsts = np.unique(shards[order], return_index=True)
        bounds = np.append(ends[firsts] - both[order][firsts], places.size)
        for number, start, end in zip(numbers, bounds[:-1], bounds[1:], strict=True):
            ids[start:end] = self._shard(int(number)).take(places[start:end])
        begins = np.empty(len(rows), np.int64)
        begins[order] = ends - both[order]
        source, target = sizes.T
        return (
            Ragged(ids[spans(begins, source)], source),
            Ragged(ids[spans(begins + source, target)], target),
        )

    def ends(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows,) twice: the id that ends each source, and that follows each target, EOS."""
        return np.full(len(rows), EOS), np.full(len(rows), EOS)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the ids."""
        check_shard_file(self.directory / TOKENIZER, self.manifest.files[TOKENIZER])
        return Tokenizer.load(self.directory / TOKENIZER)

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raise ``CorpusError`` if the shards were made with another tokenizer."""
        check_same_tokenizer(self.directory, self.tokenizer(), tokenizer)

    def validation(self) -> ParallelCorpus:
        """The validation pairs, as text."""
        path = self.directory / VALIDATION
        check_shard_file(path, self.manifest.files[VALIDATION])
        return pairs_from_bytes(path.read_bytes())

    def _read_lengths(self, number: int) -> None:
        shard = self.manifest.shards[number]
        name = lengths_name(number)
        check_shard_file(self.directory / name, self.manifest.files[name])
        lengths = _open(self.directory / name, np.dtype(np.int32), (shard.pairs, 2))
        ends = np.cumsum(lengths.sum(axis=1, dtype=np.int64))
        if int(lengths.sum()) != shard.ids:
            raise damaged(self.directory / name, "its lengths do not add up to the shard's ids")
        part = slice(*self._first[number : number + 2])
        np.add(lengths, 1, out=self._lengths[part])
        self._starts[part] = np.concatenate([[0], ends])[:-1]

    def _shard(self, number: int) -> np.ndarray:
        """The ids of a shard, checked at their first use."""
        ids = self._ids[number]
        if ids is None:
            name = ids_name(number)
            check_shard_file(self.directory / name, self.manifest.files[name])
            size = (self.manifest.shards[number].ids,)
            ids = _open(self.directory / name, np.dtype(self.manifest.dtype), size)
            self._ids[number] = ids
        return ids


def check_shards(directory: str | Path) -> Manifest:
    """Read every file of a directory of shards; ``CorpusError`` names the first damaged one."""
    pairs = ShardedPairs(directory)
    for name, file in pairs.manifest.files.items():
        check_shard_file(pairs.directory / name, file)
    return pairs.manifest


def lengths_name(number: int) -> str:
    """The file of a shard's lengths."""
    return f"lengths-{number:05}.npy"


def ids_name(number: int) -> str:
    """The file of a shard's ids."""
    return f"ids-{number:05}.npy"


def check_size(path: Path, file: File) -> None:
    """Raise ``CorpusError`` if the file is missing or not as long as it was when it was written."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise damaged(path, "it is missing") from None
    if size != file.bytes:
        raise damaged(path, f"it has {size:,} bytes, not {file.bytes:,}")


def check_shard_file(path: Path, file: File) -> None:
    """Raise ``CorpusError`` if the file is not, byte for byte, as it was written."""
    check_size(path, file)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise damaged(path, "its sha256 is not the one in the manifest")


def is_whole(path: Path, file: File) -> bool:
    """Whether the file is, byte for byte, as it was written."""
    try:
        check_shard_file(path, file)
    except CorpusError:
        return False
    return True


def check_same_tokenizer(directory: Path, ours: Tokenizer, given: Tokenizer) -> None:
    """Raise ``CorpusError`` if the tokenizer of the shards is not the one of a run."""
    if ours.to_bytes() != given.to_bytes():
        raise CorpusError(
            f"the shards in {directory} were made with another tokenizer than this run's: make its "
            "own in another directory"
        )


def damaged(path: Path, why: str) -> CorpusError:
    """The error of a file that is not what was written, and how to get it back."""
    return CorpusError(
        f"{path} is damaged: {why}; make it again from the corpus with: "
        f"npformer shard {path.parent}"
    )


def _open(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    try:
        # A file without elements cannot be mapped.
        array = np.load(path, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise damaged(path, str(error)) from error
    if array.dtype != dtype or array.shape != shape:
        raise damaged(path, f"it holds {array.dtype} {array.shape}, not {dtype} {shape}")
    return np.asarray(array)  # a view: np.memmap's own indexing is slow
