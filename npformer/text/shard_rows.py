"""From the rows of a corpus to the arrays of one shard."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from npformer.text.corpus import EMPTY, SHARED, TAKEN
from npformer.text.shard_manifest import Shard
from npformer.text.stream import HELD_OUT, StreamedRow
from npformer.text.tokenizer import Tokenizer

_CHUNK = 8192  # rows tokenized at once


class RowTally:
    """The rows of one shard, counted as they are iterated over."""

    def __init__(self, rows: Iterator[StreamedRow]) -> None:
        self._rows = rows
        self._counts = dict.fromkeys((TAKEN, EMPTY, SHARED, HELD_OUT), 0)
        self.text = 0  # CRC-32

    def __iter__(self) -> Iterator[StreamedRow]:
        for row in self._rows:
            self._counts[row.verdict] += 1
            text = "\t".join(row).encode("utf-8", "surrogatepass")
            self.text = zlib.crc32(text, self.text)
            yield row

    @property
    def rows(self) -> int:
        """Rows that went by."""
        return sum(self._counts.values())

    def summary(self, lengths: np.ndarray, too_long: int) -> Shard:
        """What the manifest says of the shard, once all its rows went by."""
        return Shard(
            rows=self.rows,
            pairs=len(lengths),
            too_long=too_long,
            empty=self._counts[EMPTY],
            shared=self._counts[SHARED],
            held_out=self._counts[HELD_OUT],
            ids=int(lengths.sum()),
            text=self.text,
        )


def tokenize_rows(
    rows: Iterable[StreamedRow], tokenizer: Tokenizer, max_length: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """lengths (pairs, 2) int32, ids (sum of lengths,) int32, and how many pairs are too long.

    As ``encode_pairs`` does it: a pair is too long if a side, with its EOS or BOS, has more than
    ``max_length`` tokens.
    """
    lengths, ids = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.int32)]
    too_long = 0
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        taken = [row for row in chunk if row.verdict == TAKEN]
        sides = ([row.source for row in taken], [row.target for row in taken])
        encoded = zip(*map(tokenizer.encode_batch, sides), strict=True)
        kept = [pair for pair in encoded if max(map(len, pair)) < max_length]
        too_long += len(taken) - len(kept)
        lengths.append(np.array([tuple(map(len, pair)) for pair in kept], np.int32).reshape(-1, 2))
        flat = itertools.chain.from_iterable(itertools.chain.from_iterable(kept))
        ids.append(np.fromiter(flat, np.int32, int(lengths[-1].sum())))
    return np.concatenate(lengths), np.concatenate(ids), too_long
