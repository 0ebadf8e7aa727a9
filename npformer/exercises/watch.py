"""A learner's file each time that it is saved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

INTERVAL = 0.3
"""Seconds between two looks at the file."""


def versions(path: Path) -> Iterator[None]:
    """At once, and whenever the file has changed; an editor may take it away for a moment."""
    seen: tuple[int, int, int] | None = None
    while True:
        try:
            about = path.stat()
        except FileNotFoundError:
            if seen is None:
                yield  # whoever looks says that it does not exist
        else:
            now = about.st_mtime_ns, about.st_size, about.st_ino
            if now != seen:
                seen = now
                yield
        time.sleep(INTERVAL)
