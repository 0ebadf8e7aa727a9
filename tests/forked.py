"""Work in a fork of the test's own process, in place of a fresh one.

A fork takes a tenth of a second where a process that imports PyTorch takes four. It has its output
in files of its own, changes nothing here, and ends within a bounded time: it is killed then, and
the test fails.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npformer.errors import NpformerError


class Ended(NamedTuple):
    """How a fork ended."""

    status: int
    """Its exit status, or minus the signal that killed it."""
    result: Any
    """What its work returned."""
    out: str
    err: str


class Fork:
    """A process that does ``work()``; 0 is its exit status unless that raises.

    ``variables`` changes the environment; None unsets one.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        folder: Path,
        name: str = "fork",
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self._files = {what: folder / f"{name}.{what}" for what in ("out", "err", "result")}
        self._status: int | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside other threads
            self.pid = os.fork()
        if not self.pid:
            self._work(work, variables or {})

    def poll(self) -> int | None:
        """The status; None while it runs."""
        if self._status is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def send_signal(self, number: int) -> None:
        """If it runs still."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def ended(self, limit: float = 120) -> Ended:
        """Wait for its end."""
        return all_ended([self], limit)[0]

    def _work(self, work: Callable[[], Any], variables: Mapping[str, Any]) -> None:
        status = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for number, name in ((1, "out"), (2, "err")):
                with self._files[name].open("wb") as file:
                    os.dup2(file.fileno(), number)
            sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
            sys.stderr = open(2, "w", closefd=False, encoding="utf-8", buffering=1)  # noqa: SIM115
            for name, value in variables.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = str(value)
            self._files["result"].write_bytes(pickle.dumps(work()))
            status = 0
        except NpformerError as error:
            print(f"npformer: {error}", file=sys.stderr)
            status = 2
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)

    def _as_ended(self) -> Ended:
        assert self._status is not None
        out, err, result = (self._files[name] for name in ("out", "err", "result"))
        value = pickle.loads(result.read_bytes()) if result.exists() else None
        return Ended(self._status, value, out.read_text("utf-8"), err.read_text("utf-8"))


def all_ended(forks: Sequence[Fork], limit: float) -> list[Ended]:
    """How each ended, once all have; what still runs after ``limit`` seconds is killed."""
    deadline = time.monotonic() + limit
    try:
        while any([fork.poll() is None for fork in forks]) and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        late = [fork for fork in forks if fork.poll() is None]
        for fork in late:
            os.kill(fork.pid, signal.SIGKILL)
            os.waitpid(fork.pid, 0)
    assert not late, f"{len(late)} of {len(forks)} forks still ran after {limit} seconds"
    return [fork._as_ended() for fork in forks]


def forked(work: Callable[[], Any], *, limit: float = 120, **variables: Any) -> Ended:
    """Do ``work()`` in a fork whose environment has these ``variables``; how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        return Fork(work, Path(folder), variables=variables).ended(limit)
