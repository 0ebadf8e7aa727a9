"""Small corpora on disk, and the shards that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from npformer.config import DataConfig
from npformer.text.shards import ShardedPairs
from npformer.train.make_shards import make_shards

WORDS = "der die das Hund Katze läuft schnell über 日本 ﷽ é 🙂".split()


def sentence(number: int, size: int) -> str:
    """A sentence of ``size`` words, a different one for each number."""
    return " ".join([f"n{number}", *(WORDS[(number * 7 + k) % len(WORDS)] for k in range(size))])


def write_corpus(path: Path, pairs: Iterable[tuple[str, str]]) -> str:
    path.write_text("".join(f"{s}\t{t}\ttag\n" for s, t in pairs), encoding="utf-8")
    return str(path)


def small_data(folder: Path, rows: int = 24, **changes: object) -> DataConfig:
    """A corpus of ``rows`` rows: every fifth is empty, and some are longer than ``max_length``."""
    pairs = [
        (sentence(n, n % 9), "" if n % 5 == 4 else sentence(n + 1000, (n * 5) % 9))
        for n in range(rows)
    ]
    held = [("one apart", "eins für sich"), pairs[0]]
    fields = dict(
        corpus=write_corpus(folder / "train.tsv", pairs),
        validation=write_corpus(folder / "held.tsv", held),
        tokenizer="word",
        vocab_size=400,
        max_length=9,
    )
    return DataConfig(**{**fields, **changes})


def small_shards(folder: Path, rows_per_shard: int = 7) -> tuple[DataConfig, ShardedPairs]:
    """Four shards in ``folder / "shards"``."""
    data = small_data(folder)
    return data, make_shards(data, folder / "shards", rows_per_shard=rows_per_shard)


def content(directory: Path) -> dict[str, bytes]:
    """Every file."""
    return {p.name: p.read_bytes() for p in directory.iterdir()}
