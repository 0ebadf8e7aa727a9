from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from npformer.files import atomic
from npformer.files.atomic import (
    abandon_directory,
    begin_directory,
    clean_up,
    finish_directory,
    remove_directory,
    write_file,
)

OLD, NEW = {"a": b"old", "b": b"gone"}, {"a": b"new", "c": b"more"}


def write_directory(path, files):
    """As a checkpoint is written."""
    try:
        temporary = begin_directory(path)
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        finish_directory(path)
    except BaseException:
        abandon_directory(path)
        raise


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_directory_is_written_and_replaced_whole(tmp_path):
    place = tmp_path / "deep" / "place"
    for files in (OLD, NEW):
        write_directory(place, files)
        assert content(place) == files
        assert [p.name for p in place.parent.iterdir()] == ["place"]


def failing_calls(monkeypatch):
    """Lets the n-th system call that matters fail, n = 0, 1, ...; yields until none is left."""
    names = [(os, "fsync"), (Path, "mkdir"), (Path, "rename"), (Path, "replace"), (Path, "open")]
    originals = {(owner, name): getattr(owner, name) for owner, name in names}

    class Counter:
        def __init__(self, fatal, error):
            self.left, self.error, self.fired = fatal, error, False

        def wrap(self, original):
            def call(*args, **kwargs):
                self.left -= 1
                if self.left < 0 and not self.fired:
                    self.fired = True
                    raise self.error
                return original(*args, **kwargs)

            return call

    def arm(fatal, error):
        counter = Counter(fatal, error)
        for (owner, name), original in originals.items():
            monkeypatch.setattr(owner, name, counter.wrap(original))
        return counter

    def disarm():
        for (owner, name), original in originals.items():
            monkeypatch.setattr(owner, name, original)

    return arm, disarm


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_whatever_call_fails_the_old_directory_or_the_new_one_is_there_whole(
    tmp_path, monkeypatch, error
):
    arm, disarm = failing_calls(monkeypatch)
    failures = 0
    for fatal in range(100):
        folder = tmp_path / str(fatal)
        place = folder / "place"
        write_directory(place, OLD)
        counter = arm(fatal, error)
        try:
            write_directory(place, NEW)
        except type(error):
            failures += 1
        finally:
            disarm()
        if not counter.fired:
            break
        clean_up(folder)
        assert content(place) in (OLD, NEW)
        assert [p.name for p in folder.iterdir()] == ["place"]
    assert failures > 5
    assert content(place) == NEW


def test_a_process_that_died_between_the_two_renames_loses_nothing(tmp_path):
    write_directory(tmp_path / ".replaced-place", OLD)
    write_directory(tmp_path / ".saving-place", NEW)
    clean_up(tmp_path)
    assert content(tmp_path / "place") == OLD
    assert [p.name for p in tmp_path.iterdir()] == ["place"]


def test_clean_up_touches_nothing_else(tmp_path):
    write_directory(tmp_path / "place", OLD)
    (tmp_path / ".hidden").write_bytes(b"mine")
    (tmp_path / ".saving-file").write_bytes(b"left over")
    clean_up(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "place"]
    clean_up(tmp_path / "missing")


def test_a_file_is_replaced_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(path, b"old")
    write_file(path, b"newer")
    assert path.read_bytes() == b"newer"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"newest")
    assert path.read_bytes() == b"newer"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_removing_is_out_of_sight_first(tmp_path, monkeypatch):
    write_directory(tmp_path / "place", OLD)
    seen = []
    rmtree = atomic.shutil.rmtree
    monkeypatch.setattr(
        atomic.shutil, "rmtree", lambda path: (seen.append(path.name), rmtree(path))
    )
    remove_directory(tmp_path / "place")
    remove_directory(tmp_path / "place")
    assert seen == [".saving-place"]
    assert not list(tmp_path.iterdir())
