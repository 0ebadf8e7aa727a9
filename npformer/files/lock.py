"""A file that one process at a time may hold, and that says which.

The system's lock (flock) ends with the process that holds it, however that ends, so a lock file
that was left behind stops nobody. A network's file system may not pass locks on to other machines:
there the file's own words count, who held it, and when it last gave a sign of life.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SILENT_SECONDS = 600.0
"""So long without a sign of life, and a process on another machine counts as ended."""
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock."""

    host: str
    pid: int
    since: str
    """When it took the lock, in UTC."""
    job: str = ""
    """A name that it shares with the processes that are started in its place, if there are any."""

    @classmethod
    def this(cls, job: str = "") -> Owner:
        """This process, from now on."""
        since = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
        return cls(socket.gethostname(), os.getpid(), since, job)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class LockHeldError(BlockingIOError):
    """Another process holds a lock; ``owner`` is None if the file does not say which."""

    def __init__(self, path: Path, owner: Owner | None, advice: str = "") -> None:
        self.owner = owner
        super().__init__(f"{owner or f'a process that holds {path}'}{advice}")


@contextlib.contextmanager
def hold(
    path: Path, *, signs: Sequence[Path] = (), job: str = "", restarted: bool = False
) -> Iterator[None]:
    """Hold the lock file ``path``, made now and deleted at the end.

    ``signs`` are files that the holder writes to again and again; with the lock file they tell
    whether one on another machine still lives. A process that was ``restarted`` in the place of
    one of the same ``job`` knows that it does not. Raises ``LockHeldError`` if another process, or
    another call in this one, holds it, and ``OSError`` for a place that cannot be written to.
    """
    descriptor, locked = _acquire(path)
    try:
        former = _read(descriptor)
        if not (restarted and job and former and former.job == job):
            _check_former(path, former, locked, signs)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, (json.dumps(asdict(Owner.this(job))) + "\n").encode(), 0)
        try:
            yield
        finally:
            # While it is held, so that none but us is deleted. A process forked meanwhile may have
            # it open, and so locked, for longer: the next holder makes another file.
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _acquire(path: Path) -> tuple[int, bool]:
    """The open lock file, and whether the system locked it (some file systems cannot)."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            owner = _read(descriptor)
            os.close(descriptor)
            raise LockHeldError(path, owner) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(descriptor)
                raise
            locked = False
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, locked
        os.close(descriptor)  # its holder deleted it between our two steps


def _check_former(path: Path, former: Owner | None, locked: bool, signs: Sequence[Path]) -> None:
    """Raise ``LockHeldError`` if whoever left the file may live, though we could lock it."""
    if former is None:
        return
    if former.host == socket.gethostname():
        if not locked and former.pid != os.getpid() and _lives(former.pid):
            raise LockHeldError(path, former)
        return
    seen = max(file.stat().st_mtime for file in (path, *signs) if file.exists())
    silent = time.time() - seen
    if silent < SILENT_SECONDS:
        raise LockHeldError(
            path,
            former,
            f" (last seen {max(silent, 0):.0f} s ago; if that process has ended, delete {path})",
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _read(descriptor: int) -> Owner | None:
    """Who the file says holds it; None for an empty one, or one that is cut short."""
    try:
        return Owner(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None
