"""One process at a time, and what becomes of the lock of one that died."""

from __future__ import annotations

import errno
import json
import os
import signal
import time

import pytest

from npformer.files import lock
from npformer.files.lock import SILENT_SECONDS, LockHeldError, hold
from tests.forked import Fork


def left_behind(path, host, pid, silent=0.0, job=""):
    owner = {"host": host, "pid": pid, "since": "2020-01-02 03:04:05 UTC", "job": job}
    path.write_text(json.dumps(owner))
    os.utime(path, (time.time() - silent,) * 2)


def started(work, tmp_path) -> Fork:
    """A fork whose work has come to the point where it makes the file ``ready``."""
    fork = Fork(work, tmp_path)
    while not (tmp_path / "ready").exists():
        assert fork.poll() is None
        time.sleep(0.002)
    return fork


def a_dead_process(tmp_path) -> int:
    fork = Fork(lambda: None, tmp_path)
    fork.ended()
    return fork.pid


def test_a_lock_is_held_by_one_at_a_time_and_let_go_after_an_error(tmp_path):
    path = tmp_path / "lock"
    with hold(path), pytest.raises(LockHeldError, match=f"process {os.getpid()} on "), hold(path):
        pass
    assert not path.exists()
    with pytest.raises(KeyError), hold(path):
        raise KeyError
    with hold(path):
        pass


def test_a_killed_process_leaves_a_lock_that_stops_nobody(tmp_path):
    path = tmp_path / "lock"

    def work():
        with hold(path):
            (tmp_path / "ready").touch()
            time.sleep(60)

    fork = started(work, tmp_path)
    with pytest.raises(LockHeldError, match=f"process {fork.pid} on .*, since 20"), hold(path):
        pass
    fork.send_signal(signal.SIGKILL)
    fork.ended()
    assert path.exists()
    with hold(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_child_that_outlives_its_parents_hold_does_not_keep_it(tmp_path):
    def work():
        (tmp_path / "ready").touch()
        time.sleep(60)

    with hold(tmp_path / "lock"):
        fork = started(work, tmp_path)
    with hold(tmp_path / "lock"):
        fork.send_signal(signal.SIGKILL)
        fork.ended()


def test_another_machine_counts_as_alive_until_it_has_been_silent(tmp_path):
    path, sign = tmp_path / "lock", tmp_path / "metrics"
    left_behind(path, "elsewhere", 7)
    with pytest.raises(LockHeldError, match=r"process 7 on elsewhere.*delete .*lock"), hold(path):
        pass
    left_behind(path, "elsewhere", 7, 2 * SILENT_SECONDS)
    sign.touch()
    with pytest.raises(LockHeldError, match="last seen"), hold(path, signs=[sign]):
        pass
    assert path.exists()
    with hold(path):
        pass


def test_a_process_restarted_in_the_place_of_one_elsewhere_takes_over(tmp_path):
    path = tmp_path / "lock"
    for options in (dict(job="a"), dict(job="b", restarted=True), dict(restarted=True)):
        left_behind(path, "elsewhere", 7, job="a" if "job" in options else "")
        with pytest.raises(LockHeldError, match="elsewhere"), hold(path, **options):
            pass
    left_behind(path, "elsewhere", 7, job="a")
    with hold(path, job="a", restarted=True):
        assert json.loads(path.read_text())["job"] == "a"


def test_without_locks_of_the_system_the_process_itself_is_asked(tmp_path, monkeypatch):
    def flock(descriptor, how):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    path = tmp_path / "lock"
    host = lock.socket.gethostname()
    left_behind(path, host, os.getppid())
    with pytest.raises(LockHeldError, match=f"process {os.getppid()} "), hold(path):
        pass
    left_behind(path, host, a_dead_process(tmp_path))
    with hold(path):
        pass


def test_a_lock_file_that_says_nothing_is_taken_over(tmp_path):
    path = tmp_path / "lock"
    for content in ("", "{", "[]", '{"pid": 1}'):
        path.write_text(content)
        with hold(path):
            pass
