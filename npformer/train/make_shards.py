"""Tokenise a corpus once, into a directory of shards; ended at any moment, it continues later.

The corpus is read as a stream: once to count its pairs, once to train the tokenizer, once to
tokenise. Shard n holds rows n R to (n + 1) R of the corpus, whatever else happened, and each file
is written whole or not at all, so the bytes are the same however often the work was interrupted.
Going on and repairing are one thing: a shard whose files are whole is passed over, and any other
is made. The rows passed over are read again, and must be those of the first time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from npformer.config import DataConfig
from npformer.errors import CorpusError
from npformer.files.atomic import clean_up, write_file
from npformer.files.lock import LockHeldError, hold
from npformer.text.pairs_file import pairs_to_bytes
from npformer.text.shard_manifest import (
    MANIFEST,
    TOKENIZER,
    VALIDATION,
    File,
    Manifest,
    decisive,
    read_manifest,
)
from npformer.text.shard_rows import RowTally, tokenize_rows
from npformer.text.shards import (
    ShardedPairs,
    check_same_tokenizer,
    ids_name,
    is_whole,
    lengths_name,
)
from npformer.text.stream import PairStream
from npformer.text.tokenizer import Tokenizer

ROWS_PER_SHARD = 100_000
TOKENIZER_PAIRS = 2_000_000
"""Pairs, spread evenly over the corpus, that a tokenizer is trained on; all if they are fewer."""

_OFTEN = 5000  # rows between two reports of progress
_LOCK = "lock"

T = TypeVar("T")


class ProgressCallback(Protocol):
    """Hears how far the work is."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` rows; a total of 0 is not known yet."""
        ...


def make_shards(
    data: DataConfig,
    directory: str | Path,
    *,
    tokenizer: Tokenizer | None = None,
    progress: ProgressCallback = lambda what, done, total: None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> ShardedPairs:
    """Make the shards of ``data`` in ``directory``, or continue, or repair them.

    ``tokenizer``, if given, is used instead of one trained on the corpus, and must be that of
    shards already there. Raises ``CorpusError`` for a corpus or directory that cannot be, or has
    changed, or that another process is writing.
    """
    directory = Path(directory)
    try:
        with _sole_writer(directory):
            maker = _Maker(data, directory, progress, rows_per_shard)
            whole = maker.whole_files()
            if not maker.manifest.complete or whole != maker.manifest.files.keys():
                try:
                    maker.make(tokenizer, whole)
                except CorpusError:
                    maker.withdraw()
                    raise
            pairs = ShardedPairs(directory, data)
            pairs.notes = maker.notes
            if tokenizer is not None:
                pairs.check_tokenizer(tokenizer)
            return pairs
    except OSError as error:
        where = error.filename or directory
        raise CorpusError(
            f"cannot make shards: {where}: {error.strerror or error}; what is finished stays: go "
            f"on with npformer shard {directory}"
        ) from error


class _Maker:
    """The work on one directory; only one process may do it at a time."""

    def __init__(
        self, data: DataConfig, directory: Path, progress: ProgressCallback, rows_per_shard: int
    ) -> None:
        self.data, self.directory, self.progress = data, directory, progress
        self.notes: tuple[str, ...] = ()
        self._begun = (directory / MANIFEST).exists()
        if self._begun:
            self.manifest = read_manifest(directory)
            self.manifest.check_settings(directory, data)
        else:
            self.manifest = Manifest(decisive(data), rows_per_shard)
            self._save()

    def withdraw(self) -> None:
        """Leave nothing behind of a corpus that was wrong from the start; its settings may be."""
        if not self._begun and not self.manifest.files:
            (self.directory / MANIFEST).unlink()

    def whole_files(self) -> set[str]:
        """Names of the files that need not be made."""
        files = self.manifest.files
        return {name for name, file in files.items() if is_whole(self.directory / name, file)}

    def make(self, tokenizer: Tokenizer | None, whole: set[str]) -> None:
        """Make every file but the ``whole`` ones."""
        stream = PairStream(self.data)
        if not self.manifest.rows:
            counts = stream.count(lambda rows: self.progress("counting", rows, 0))
            self._save(rows=counts.rows, taken=counts.taken)
        self._put({VALIDATION: pairs_to_bytes(stream.validation)})
        if TOKENIZER in whole:
            stored = Tokenizer.load(self.directory / TOKENIZER)
            if tokenizer is not None:
                check_same_tokenizer(self.directory, stored, tokenizer)
            tokenizer = stored
        else:
            learnt_from = min(TOKENIZER_PAIRS, self.manifest.taken)
            if tokenizer is None:
                texts = stream.texts(learnt_from, self.manifest.taken)
                seen = self._watched("learning the vocabulary", texts, 2 * learnt_from)
                tokenizer = Tokenizer.train(seen, self.data.tokenizer, self.data.vocab_size)
            else:
                learnt_from = 0
            dtype = "uint16" if tokenizer.vocab_size <= 1 << 16 else "int32"
            content = {TOKENIZER: tokenizer.to_bytes()}
            self._put(content, learnt_from=learnt_from, dtype=dtype)
        self._make_shards(stream, tokenizer, whole)
        self.notes = stream.notes

    def _make_shards(self, stream: PairStream, tokenizer: Tokenizer, whole: set[str]) -> None:
        rows = iter(self._watched("tokenising", stream, self.manifest.rows))
        left = self.manifest.rows
        number = 0
        while left:
            part = RowTally(itertools.islice(rows, self.manifest.rows_per_shard))
            names = (lengths_name(number), ids_name(number))
            shards = self.manifest.shards
            known = shards[number] if number < len(shards) else None
            if known is not None and whole.issuperset(names):
                for _ in part:
                    pass
                if (part.rows, part.text) != (known.rows, known.text):
                    raise self._changed()
            else:
                lengths, ids, too_long = tokenize_rows(part, tokenizer, self.data.max_length)
                shard = part.summary(lengths, too_long)
                if known is not None and known != shard:
                    raise self._changed()
                arrays = (lengths, ids.astype(self.manifest.dtype))
                content = {name: _npy(array) for name, array in zip(names, arrays, strict=True)}
                self._put(content, shards=shards if known is not None else (*shards, shard))
            if not 0 < part.rows <= left:
                raise self._changed()
            left -= part.rows
            number += 1
        if next(rows, None) is not None:
            raise self._changed()
        if not self.manifest.total("pairs"):
            raise CorpusError(
                f"none of the {self.manifest.taken:,} pairs fits into max_length, "
                f"{self.data.max_length} tokens; raise max_length and name another directory"
            )
        self._save(complete=True)

    def _put(self, contents: dict[str, bytes], **changes: Any) -> None:
        """Write files, then the manifest; a file that was there must come out as it was."""
        new = {name: File(len(c), hashlib.sha256(c).hexdigest()) for name, c in contents.items()}
        files = self.manifest.files
        for name, content in contents.items():
            if files.get(name, new[name]) != new[name]:
                raise self._changed()
            write_file(self.directory / name, content)
        self._save(files={**files, **new}, **changes)

    def _save(self, **changes: Any) -> None:
        self.manifest = dataclasses.replace(self.manifest, **changes)
        write_file(self.directory / MANIFEST, self.manifest.to_bytes())

    def _watched(self, what: str, items: Iterable[T], total: int) -> Iterator[T]:
        for number, item in enumerate(items):
            if number % _OFTEN == 0:
                self.progress(what, number, total)
            yield item
        self.progress(what, total, total)

    def _changed(self) -> CorpusError:
        return CorpusError(
            f"the corpus {self.data.corpus!r}, its validation, or the tokenizers library has "
            f"changed since the shards in {self.directory} were begun; make them in another "
            "directory"
        )


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0))
    return stream.getvalue()


@contextlib.contextmanager
def _sole_writer(directory: Path) -> Iterator[None]:
    """Make the directory, and keep other writers out as long as this one works."""
    if directory.exists() and not directory.is_dir():
        raise CorpusError(f"{directory} is a file; shards need a directory")
    directory.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in directory.iterdir()}
    foreign = sorted(name for name in names if name != _LOCK and not name.startswith("."))
    if foreign and MANIFEST not in names:
        raise CorpusError(
            f"{directory} holds other files, {foreign[0]!r} for one; name an empty directory"
        )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold(directory / _LOCK))
        except LockHeldError as held:
            raise CorpusError(
                f"another process is writing the shards in {directory}: {held}; start again when "
                "it is done"
            ) from None
        clean_up(directory)
        yield
