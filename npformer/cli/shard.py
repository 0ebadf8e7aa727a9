"""``npformer shard``: tokenise a corpus once, ahead of training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from npformer.cli.arguments import parse
from npformer.cli.figures import reporter, write_figures
from npformer.cli.settings import DEFAULT_PRESET, named_config, word_of
from npformer.config import DataConfig
from npformer.errors import counted
from npformer.text.shard_manifest import MANIFEST, read_manifest
from npformer.text.shards import ShardedPairs, check_shards
from npformer.train.make_shards import make_shards

PLAIN_SECONDS = 10.0
"""Time between plain lines, where the output is no terminal."""


@dataclass(frozen=True)
class DataOptions(DataConfig):
    """The settings that decide what the shards hold."""

    batch_tokens: tyro.conf.Suppress[tyro.conf.Fixed[int]] = DataConfig.batch_tokens
    shards: tyro.conf.Suppress[tyro.conf.Fixed[str]] = DataConfig.shards
    pack: tyro.conf.Suppress[tyro.conf.Fixed[bool]] = DataConfig.pack


@dataclass(frozen=True)
class Command:
    """Tokenise a corpus into a directory of shards, which training reads by memory map.

    A corpus larger than memory is read as a stream; no GPU is needed. Ended at any moment, the work
    continues when the command is given again with the directory alone; damaged files are then made
    again, too. The finished directory is all that training needs of the corpus: it holds the
    tokenizer and the validation pairs as well, and may be copied to another machine.

    Examples:
      npformer shard shards/mine --preset small --corpus pairs.tsv.xz
      npformer train runs/mine --preset small --corpus pairs.tsv.xz --shards shards/mine
      npformer shard shards/wmt14 --preset wmt14-base
      npformer shard shards/wmt14                       # go on after an interruption
      npformer shard shards/wmt14 --verify
    """

    directory: tyro.conf.Positional[Path]
    """Directory for the shards: a new one, or an unfinished one."""
    preset: str = DEFAULT_PRESET
    """A preset of npformer train, of which the data's settings are taken."""
    verify: tyro.conf.FlagCreatePairsOff[bool] = False
    """Make nothing: read every file and compare its sha256."""
    json: Path | None = None
    """Also write what the shards hold to this file; - is standard output."""
    quiet: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print nothing but warnings and errors."""
    data: Annotated[DataOptions, tyro.conf.arg(name="")] = field(default_factory=DataOptions)

    @classmethod
    def default(cls, arguments: Sequence[str]) -> Command:
        """What the options change: the preset, or the settings of the shards already there."""
        preset = word_of(arguments, "--preset")
        command = cls._of(named_config(arguments).data)
        if preset is not None:
            return command
        directory = parse(cls, "npformer shard", arguments, default=command).directory
        if not (directory / MANIFEST).exists():
            return command
        return cls._of(DataConfig(**read_manifest(directory).data))

    @classmethod
    def _of(cls, data: DataConfig) -> Command:
        usual = {"batch_tokens": DataConfig.batch_tokens, "shards": "", "pack": DataConfig.pack}
        return cls(directory=tyro.MISSING, data=DataOptions(**{**asdict(data), **usual}))

    def __call__(self) -> int:
        console = reporter(self.json, self.quiet, makes=self.directory)
        if self.verify:
            manifest = check_shards(self.directory)
            size = sum(file.bytes for file in manifest.files.values())
            files = counted(len(manifest.files), "file")
            _say(console, f"{files}, {size / 1e6:,.1f} MB: every sha256 is right")
            write_figures(self.json, "shard", {"files": len(manifest.files), "bytes": size})
            return 0
        began = time.monotonic()
        with _Display(console) as display:
            pairs = make_shards(DataConfig(**asdict(self.data)), self.directory, progress=display)
        seconds = time.monotonic() - began
        _report(pairs, self.directory, seconds, console)
        write_figures(self.json, "shard", {**_figures(pairs), "seconds": seconds})
        return 0


class _Display:
    """A bar for each pass in a terminal; a line now and then anywhere else."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._what = ""
        self._said_at = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> _Display:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self._bar.disable:  # rich 13.0 ends one that was never shown with an empty line
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._what = what
            self._task = self._bar.add_task(what)
            self._said_at = 0.0
        self._bar.update(self._task, completed=done, total=total or None)
        now = time.monotonic()
        if self._bar.disable and now - self._said_at >= PLAIN_SECONDS:
            self._said_at = now
            _say(self._console, f"{what}: {done:,}" + (f" of {total:,}" if total else ""))


def _figures(pairs: ShardedPairs) -> dict[str, Any]:
    manifest = pairs.manifest
    source, target = pairs.lengths().sum(axis=0, dtype=int)
    return {
        "pairs": len(pairs),
        "rows": manifest.rows,
        **{why: manifest.total(why) for why in ("too_long", "empty", "shared", "held_out")},
        "source_tokens": source,
        "target_tokens": target,
        "shards": len(manifest.shards),
        "bytes": pairs.bytes,
    }


def _report(pairs: ShardedPairs, directory: Path, seconds: float, console: Console) -> None:
    manifest = pairs.manifest
    passed_over = [
        (manifest.total("too_long"), "too long"),
        (manifest.total("empty"), "with an empty side"),
        (manifest.total("shared"), "with a sentence of validation"),
        (manifest.total("held_out"), "held out for validation"),
    ]
    left_out = ", ".join(f"{count:,} {why}" for count, why in passed_over if count)
    tokens = pairs.lengths().sum(axis=0, dtype=int)
    lines = [
        *pairs.notes,
        f"{counted(len(pairs), 'pair')} of {counted(manifest.rows, 'row')}"
        + (f" ({left_out})" if left_out else ""),
        f"{tokens[0]:,} source and {tokens[1]:,} target tokens, "
        f"{counted(len(manifest.shards), 'shard')}, {pairs.bytes / 1e6:,.1f} MB, {seconds:,.0f} s",
        f"train on them with   npformer train RUN --shards {directory} and the same data settings",
    ]
    _say(console, "\n".join(lines))


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
