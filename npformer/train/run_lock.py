"""One process at a time writes into a directory of a run, or of a sweep."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from npformer.errors import CheckpointError
from npformer.files.lock import LockHeldError, hold
from npformer.train.run_directory import METRICS

LOCK = "lock"


@contextlib.contextmanager
def sole_writer(directory: Path, what: str = "run") -> Iterator[None]:
    """Make the directory of a ``what`` and keep other processes from writing to it.

    A directory made here that is still empty in the end is deleted again, with its parents. The
    lock of a process that was killed is taken over. Raises ``CheckpointError`` if a process holds
    it that lives, on this machine or another, and for a place where no directory can be.
    """
    made = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        with contextlib.ExitStack() as stack:
            try:
                directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(
                    hold(directory / LOCK, signs=[directory / METRICS], **_torchrun())
                )
            except LockHeldError as held:
                raise CheckpointError(
                    f"another process is at work on the {what} in {directory}: {held}; wait for "
                    "it, stop it, or name another directory"
                ) from None
            except OSError as error:
                raise CheckpointError(
                    f"cannot make the {what}'s directory {directory}: {error.strerror or error}"
                ) from error
            yield
    finally:
        with contextlib.suppress(OSError):  # the first that is not empty
            for path in made:
                path.rmdir()


def _torchrun() -> dict[str, Any]:
    """Whether torchrun started this process in the place of another, maybe on another machine."""
    job = os.environ.get("TORCHELASTIC_RUN_ID", "none")  # which is its default, of any job
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return {"job": "" if job == "none" else job, "restarted": restarts not in ("", "0")}
