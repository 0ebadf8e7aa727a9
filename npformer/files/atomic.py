"""Files and directories that are on disk whole or not at all, also after a power cut.

Everything is first written beside its place under a temporary name and flushed to the disk; a
rename, which file systems do at once or not at all, then puts it in place; flushing the parent
directory makes the rename itself last.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
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
    """Make the temporary directory that ``finish_directory`` puts at ``path``. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    clean_up(path.parent)
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
        clean_up(path.parent)


def remove_directory(path: Path) -> None:
    """Delete a directory if it exists, out of sight first: never seen with half its files."""
    if path.exists():
        hidden = path.with_name(_SAVING + path.name.removeprefix(_REPLACED))
        path.rename(hidden)
        shutil.rmtree(hidden)


def clean_up(parent: Path) -> None:
    """Clear away what a dead process left in ``parent``; only the writer of it may call this."""
    for path in _left_over(parent, _REPLACED):
        place = path.with_name(path.name.removeprefix(_REPLACED))
        if place.exists():
            shutil.rmtree(path)
        else:
            path.rename(place)
    for path in _left_over(parent, _SAVING):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _left_over(parent: Path, mark: str) -> Iterator[Path]:
    if parent.is_dir():
        yield from [path for path in parent.iterdir() if path.name.startswith(mark)]


def _sync(path: Path) -> None:
    """Flush a file or a directory to the disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
