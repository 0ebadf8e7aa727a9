"""Shards are made once, in bounded memory, and come out the same however often it was ended."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npformer.errors import CorpusError
from npformer.text.shards import ShardedPairs, check_shards
from npformer.text.tokenizer import Tokenizer
from npformer.train import make_shards as module
from npformer.train.make_shards import make_shards
from tests.text.sharded import content, sentence, small_data, small_shards, write_corpus

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def expected(tmp_path):
    """Settings, a directory for their shards, and what it holds when nothing goes wrong."""
    data, shards = small_shards(tmp_path)
    return data, tmp_path / "again", content(shards.directory)


@pytest.fixture(autouse=True)
def without_flushing(monkeypatch):
    """No power fails here, and many small files are written."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


CALLS = [(os, "fsync"), (Path, "open"), (Path, "replace")]


def fail_at(monkeypatch, number: int, error: BaseException) -> list[int]:
    """Let the ``number``-th system call of writing files fail; returns a count of the calls."""
    calls = [0]
    for owner, name in CALLS:
        original = getattr(owner, name)

        def call(*args, original=original, **kwargs):
            calls[0] += 1
            if calls[0] == number:
                raise error
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)
    return calls


def test_interrupted_at_every_write_it_goes_on_to_the_same_bytes(expected, monkeypatch):
    data, directory, whole = expected
    with monkeypatch.context() as patch:
        calls = fail_at(patch, 0, KeyboardInterrupt())
        make_shards(data, directory, rows_per_shard=7)
    assert content(directory) == whole
    total, seen = calls[0], set()
    for number in range(1, total + 1):
        empty(directory)
        with monkeypatch.context() as patch:
            fail_at(patch, number, KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                make_shards(data, directory, rows_per_shard=7)
        seen.add(len(content(directory)))
        make_shards(data, directory, rows_per_shard=7)
        assert content(directory) == whole, f"interrupted at call {number}"
    assert total > 40
    assert len(seen) > 8  # interruptions fell between all sorts of files


def empty(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def test_a_full_disk_is_one_line_and_loses_nothing(expected, monkeypatch):
    data, directory, whole = expected
    for number in range(1, 60, 4):
        with monkeypatch.context() as patch:
            fail_at(patch, number, OSError(errno.ENOSPC, "No space left on device"))
            with pytest.raises(CorpusError, match="No space left.*npformer shard") as caught:
                make_shards(data, directory, rows_per_shard=7)
        assert "\n" not in str(caught.value)
        assert not [name for name in content(directory) if name.startswith(".")]
        make_shards(data, directory, rows_per_shard=7)
        assert content(directory) == whole
        empty(directory)


KILLED = """
import os, signal, sys
from npformer.config import DataConfig
from npformer.train.make_shards import make_shards

def kill(what, done, total):
    if what == sys.argv[2] and len(os.listdir(sys.argv[1])) >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

make_shards(DataConfig(**eval(sys.argv[4])), sys.argv[1], progress=kill, rows_per_shard=2000)
"""


def test_killed_for_real_it_goes_on_to_the_same_bytes(tmp_path):
    pairs = [(sentence(n % 500, n % 7), sentence(n % 400 + 1000, n % 5)) for n in range(11_000)]
    data = small_data(tmp_path, corpus=write_corpus(tmp_path / "many.tsv", pairs))
    whole = content(make_shards(data, tmp_path / "once", rows_per_shard=2000).directory)
    again = tmp_path / "again"
    for what, files in [("learning the vocabulary", 0), ("tokenising", 6)]:
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, again, what, str(files), repr(dataclasses.asdict(data))],
            cwd=ROOT,
            timeout=120,
        )
        assert ended.returncode == -signal.SIGKILL
    left = json.loads((again / "manifest.json").read_bytes())
    assert not left["complete"] and 0 < len(left["shards"]) < 6
    made = (again / "ids-00000.npy").stat().st_mtime_ns
    make_shards(data, again, rows_per_shard=2000)
    assert content(again) == whole
    assert (again / "ids-00000.npy").stat().st_mtime_ns == made  # what was whole was left alone


def test_a_second_writer_is_turned_away_and_readers_wait_for_none(expected):
    data, directory, whole = expected
    turned_away: list[str] = []

    def second(what: str, done: int, total: int) -> None:
        with pytest.raises(CorpusError, match="another process is writing the shards") as caught:
            make_shards(data, directory)
        turned_away.append(str(caught.value))

    make_shards(data, directory, progress=second, rows_per_shard=7)
    assert turned_away
    assert content(directory) == whole
    assert len(ShardedPairs(directory)) > 0


def test_finished_shards_need_no_corpus(expected):
    data, directory, _ = expected
    first = make_shards(data, directory)
    Path(data.corpus).unlink()
    Path(data.validation).unlink()
    second = make_shards(data, directory)
    np.testing.assert_array_equal(first.lengths(), second.lengths())
    assert second.validation() == first.validation()


def interrupt(what: str, done: int, total: int) -> None:
    """Ends the work where the tokenizer is there and no shard is."""
    if what == "tokenising":
        raise KeyboardInterrupt


@pytest.mark.parametrize("change", ["word", "more", "fewer", "validation", "tokenizer"])
def test_a_corpus_that_changed_in_between_is_refused(tmp_path, change):
    data, shards = small_shards(tmp_path)
    directory, path = shards.directory, Path(data.corpus)
    (directory / "ids-00002.npy").unlink()
    if change == "tokenizer":
        (directory / "tokenizer.json").unlink()
    if change == "validation":
        Path(data.validation).write_text("another\teine andere\n", encoding="utf-8")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if change in ("word", "tokenizer"):  # of a shard that is whole
        lines[0] = "something else\tetwas anderes\n"
        lines = [line if line.count("\t") == 2 else line.rstrip("\n") + "\ttag\n" for line in lines]
    if change == "more":
        lines.append(lines[-1])
    if change == "fewer":
        lines.pop()
    path.write_text("".join(lines), encoding="utf-8")
    before = content(directory)
    with pytest.raises(CorpusError, match=r"has changed since the shards in .* were begun"):
        make_shards(data, directory)
    assert {**before, "ids-00002.npy": b""} == {**content(directory), "ids-00002.npy": b""}


def test_the_tokenizer_of_a_run(tmp_path):
    data = small_data(tmp_path)
    own = Tokenizer.train(["ein paar Worte über Hund und Katze"], "word", 30)
    shards = make_shards(data, tmp_path / "own", tokenizer=own)
    assert (shards.tokenizer().to_bytes(), shards.manifest.learnt_from) == (own.to_bytes(), 0)
    make_shards(data, tmp_path / "own", tokenizer=own)
    with pytest.raises(KeyboardInterrupt):
        make_shards(data, tmp_path / "begun", progress=interrupt)
    make_shards(data, tmp_path / "trained")
    for name in ("begun", "trained"):
        with pytest.raises(CorpusError, match="made with another tokenizer than this run's"):
            make_shards(data, tmp_path / name, tokenizer=own)


def test_a_large_corpus_trains_its_tokenizer_on_some_pairs_spread_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOKENIZER_PAIRS", 4)
    pairs = [(f"s{n}", f"t{n}") for n in range(12)]
    held = write_corpus(tmp_path / "held.tsv", [("u", "U")])
    data = small_data(tmp_path, corpus=write_corpus(tmp_path / "a.tsv", pairs), validation=held)
    shards = make_shards(data, tmp_path / "shards")
    words = {name.removeprefix("▁") for name in shards.tokenizer().tokens(range(4, 12))}
    assert words == {f"{side}{n}" for side in "st" for n in (2, 5, 8, 11)}
    assert shards.manifest.learnt_from == 4


@pytest.mark.parametrize("rows", [1, 24])
def test_nothing_to_train_on(tmp_path, rows):
    pairs = [("a", "")] if rows == 1 else [("two words", "zwei Worte")] * rows
    data = small_data(tmp_path, corpus=write_corpus(tmp_path / "a.tsv", pairs), max_length=2)
    message = "gives no pair" if rows == 1 else "none of the 24 pairs fits into max_length, 2"
    with pytest.raises(CorpusError, match=message):
        make_shards(data, tmp_path / "shards")


def test_directories_that_belong_to_something_else(tmp_path):
    data = small_data(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(CorpusError, match="is a file; shards need a directory"):
        make_shards(data, tmp_path / "file")
    with pytest.raises(CorpusError, match="holds other files, 'thesis.txt' for one"):
        make_shards(data, tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]
    with pytest.raises(CorpusError, match="cannot make shards: .*file"):
        make_shards(data, tmp_path / "file" / "below")


def test_a_missing_corpus_leaves_a_directory_that_can_be_used(tmp_path):
    data = small_data(tmp_path)
    lost = dataclasses.replace(data, corpus=str(tmp_path / "later.tsv"))
    with pytest.raises(CorpusError, match="there is no file"):
        make_shards(lost, tmp_path / "shards")
    Path(data.corpus).rename(lost.corpus)
    make_shards(lost, tmp_path / "shards")
    check_shards(tmp_path / "shards")


LARGE = """
import sys
from npformer.config import DataConfig
from npformer.text import stream
from npformer.text.tokenizer import Tokenizer
from npformer.train.make_shards import make_shards
from npformer.train.memory import peak_memory

def rows(data, note=None):
    for n in range(data.pairs):
        yield f"{n} " + "averylongword" * 40, f"{n} " + "einsehrlangeswort" * 30, ""

stream.training_rows = rows
tokenizer = Tokenizer.train(["a b"], "word", 100)

def peak(pairs, name):
    data = DataConfig(
        corpus="large", validation=sys.argv[2], pairs=pairs, tokenizer="word", vocab_size=100
    )
    make_shards(data, f"{sys.argv[1]}/{name}", tokenizer=tokenizer, rows_per_shard=2000)
    return peak_memory()

before, after = peak(4000, "small"), peak(30_000, "large")
print(sum(len(s) + len(t) for s, t, _ in rows(DataConfig(pairs=30_000))), after - before)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """Each of the 32 MB of text goes by in memory that 4 MB of it have used before."""
    held = write_corpus(tmp_path / "held.tsv", [("u", "U")])
    ended = subprocess.run(
        [sys.executable, "-c", LARGE, tmp_path, held],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    size, growth = map(int, ended.stdout.split())
    assert size > 30e6
    assert growth < 4e6
