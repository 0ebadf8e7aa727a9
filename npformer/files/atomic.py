"""Files and directories that are on disk whole or not at all, also after a power cut.

Everything is first written beside its place under a temporary name and flushed to the disk; a
rename, which file systems do at once or not at all, then puts it in place; flushing the parent
directory makes the rename itself last.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

_SAVING = ".saving-"
_REPLACED = ".replaced-"


def write_file(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``; an older file there is replaced at once. Raises OSError."""
    temporary = path.with_name(_SAVING + path.name)
    try:
        temporary.write_bytes(content)
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def begin_directory(path: Path) -> Path:
    """Make the temporary directory that ``finish_directory`` puts at ``path``. Raises OSError.

    What a dead process left of the same one is cleared away; others may be written beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    temporary = path.with_name(_SAVING + path.name)
    temporary.mkdir()
    return temporary


def finish_directory(path: Path) -> None:
    """Flush what was written into the temporary directory, and put it at ``path``, whole."""
    temporary, replaced = (path.with_name(mark + path.name) for mark in (_SAVING, _REPLACED))
    for file in temporary.iterdir():
        _sync(file)
    _sync(temporary)
    # A directory cannot be renamed onto a full one: the old one steps aside first, and
    # ``clean_up`` puts it back if the process dies between the two renames.
    if path.exists():
        path.rename(replaced)
    temporary.rename(path)
    _sync(path.parent)
    remove_directory(replaced)


def abandon_directory(path: Path) -> None:
    """Clear away the temporary directory for ``path``, as far as the disk allows."""
    with contextlib.suppress(OSError):
        _clear(path)


def remove_directory(path: Path) -> None:
    """Delete a directory if it exists, out of sight first: never seen with half its files."""
    if path.exists():
        hidden = path.with_name(_SAVING + path.name.removeprefix(_REPLACED))
        path.rename(hidden)
        shutil.rmtree(hidden)


def clean_up(parent: Path) -> None:
    """Clear away what a dead process left in ``parent``; only the writer of it may call this."""
    if not parent.is_dir():
        return
    names = [path.name for path in parent.iterdir()]
    for mark in (_REPLACED, _SAVING):
        for name in names:
            if name.startswith(mark):
                _clear(parent / name.removeprefix(mark))


def _clear(path: Path) -> None:
    """Clear away what a dead process left of ``path``."""
    replaced, saving = (path.with_name(mark + path.name) for mark in (_REPLACED, _SAVING))
    if replaced.exists():
        shutil.rmtree(replaced) if path.exists() else replaced.rename(path)
    if saving.exists():
        shutil.rmtree(saving) if saving.is_dir() else saving.unlink()


def _sync(path: Path) -> None:
    """Flush a file or a directory to the disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
