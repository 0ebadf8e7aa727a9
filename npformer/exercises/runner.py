"""A learner's file in a child process: with a time and a memory limit, and gone afterwards.

The limits are against accidents, such as a loop without end. They are no sandbox: a file that is
out to do harm can do what its user can.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import npformer
from npformer.exercises.exercise import Exercise, ExerciseError
from npformer.exercises.outcome import Outcome

Job = tuple[Exercise, Path]

STARTING = 300.0
"""Seconds that the child may take for its imports, on a machine that is busy."""
GRACE = 3.0
"""Seconds after which a child that did not keep its own limit is killed."""
KEPT = 20_000
"""Bytes kept of what a submission prints."""


@dataclass(frozen=True)
class Limits:
    """For each submission."""

    seconds: float = 30.0
    """Wall time, from the moment its file is loaded."""
    megabytes: int = 1024
    """Memory beyond what the checker itself takes; Linux only."""


def check_submission(
    exercise: Exercise,
    path: Path,
    *,
    cases: int | None = None,
    seed: int = 0,
    limits: Limits | None = None,
) -> Outcome:
    """The answer to a learner's file. Raises ``ExerciseError`` if the exercise itself is wrong."""
    return next(check_files([(exercise, path)], cases=cases, seed=seed, limits=limits))


def check_files(
    jobs: Sequence[Job],
    *,
    cases: int | None = None,
    seed: int = 0,
    limits: Limits | None = None,
) -> Iterator[Outcome]:
    """The answers to several files of one learner, in one child unless a file ends it.

    Raises ``ExerciseError`` for a file that does not exist, or where there are no child processes.
    """
    if os.name != "posix":
        raise ExerciseError("files are checked in a child process, which needs Linux or macOS")
    limits = limits or Limits()
    for _, path in jobs:
        if not path.is_file():
            raise ExerciseError(f"{path} does not exist; npformer exercise start makes it")
    left = list(jobs)
    while left:
        with _Child(left, cases, seed, limits) as child:
            for _ in range(len(left)):
                _, path = left.pop(0)
                outcome, alive = child.next_outcome(path)
                yield outcome
                if not alive:
                    break


class _Child:
    def __init__(self, jobs: list[Job], cases: int | None, seed: int, limits: Limits) -> None:
        self.limits = limits
        self.said = b""
        self.printed = b""
        self.trace = tempfile.NamedTemporaryFile(prefix="npformer-", suffix=".trace")  # noqa: SIM115
        self.request = {
            "jobs": [[str(e.folder.resolve()), str(p.resolve())] for e, p in jobs],
            "cases": cases,
            "seed": seed,
            "seconds": limits.seconds,
            "megabytes": limits.megabytes,
            "trace": self.trace.name,
        }

    def __enter__(self) -> _Child:
        here, there = os.pipe()
        self.channel = here
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        package = str(Path(npformer.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        # -P: no file of the learner's folder may take the place of a module of the checker.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "npformer.exercises.child", str(there)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **one, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
            pass_fds=(there,),
            start_new_session=True,
        )
        os.close(there)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            stdin.write(json.dumps(self.request).encode())
        self._wait_for("ready", STARTING)
        return self

    def __exit__(self, *_: object) -> None:
        # The group too: a submission may have started processes of its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _output(self.process).close()
        os.close(self.channel)
        self.trace.close()

    def next_outcome(self, path: Path) -> tuple[Outcome, bool]:
        """The next job's, and whether the child can go on."""
        self.early: dict[str, Any] | None = None
        found = self._wait_for("outcome", self.limits.seconds + GRACE)
        if found is not None:
            return Outcome.from_dict(found), True
        stopped = self._stopped(path.resolve())
        # A slow file may be cut off while the smallest example is sought: its fault is known.
        return Outcome.from_dict(self.early) if self.early else stopped, False

    def _wait_for(self, kind: str, seconds: float) -> Any:
        """The next message if it is of that kind; None if the child ends or the time is over."""
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(_output(self.process), selectors.EVENT_READ)
            while True:
                message = self._message()
                if message is not None and "early" in message:
                    self.early = message["early"]
                    continue
                if message is not None:
                    return _raise_or(message, kind)
                events = selector.select(timeout=0.1)
                for key, _ in events:
                    self._read(selector, key)
                if not events and self.process.poll() is not None:
                    return None
                if not selector.get_map() or time.monotonic() > end:
                    return None

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        got = os.read(key.fd, 65536)
        if not got:
            selector.unregister(key.fileobj)
        elif key.fd == self.channel:
            self.said += got
        else:
            self.printed = (self.printed + got)[-KEPT:]

    def _message(self) -> dict[str, Any] | None:
        line, newline, rest = self.said.partition(b"\n")
        if not newline:
            return None
        self.said = rest
        return json.loads(line)

    def _stopped(self, path: Path) -> Outcome:
        """Why the child gave no answer."""
        trace = Path(self.trace.name).read_text(encoding="utf-8", errors="replace")
        line = _line_in(trace, path)
        where = f"line {line} of {path.name}" if line else path.name
        printed = self.printed.decode("utf-8", "replace")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        code = self.process.returncode
        if code is None or "Timeout (" in trace or code == -signal.SIGXCPU:
            verdict = (
                f"{where} was still running after {self.limits.seconds:g} seconds; "
                "a loop there may have no end"
            )
        elif code < 0:
            verdict = f"{where} crashed the process ({_signal(-code)})"
        else:
            verdict = f"{path.name} ended the process with exit status {code} before it was checked"
        return Outcome("stopped", verdict, printed=printed)


def _raise_or(message: dict[str, Any], kind: str) -> Any:
    if "error" in message:
        raise ExerciseError(message["error"])
    if "missing" in message:
        name = message["missing"]
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return message.get(kind)


def _line_in(trace: str, path: Path) -> int | None:
    """The line of the submission that was running, from faulthandler's traceback."""
    found = re.search(rf'File "{re.escape(str(path))}", line (\d+)', trace)
    return int(found[1]) if found else None


def _signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    said = {
        "SIGSEGV": "a segmentation fault",
        "SIGKILL": "killed, perhaps for its use of memory",
        "SIGABRT": "aborted",
        "SIGFPE": "a fatal arithmetic error",
    }
    return f"{name}: {said[name]}" if name in said else name


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout
